# What `cmake --install` puts where: the program, both libraries, the header, and the files by
# which CMake (find_package) and pkg-config find them. All of them work from any prefix.
include(CMakePackageConfigHelpers)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vkclip)

install(TARGETS vkclip RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES include/vkclip.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# Two exports: who links the shared library needs none of the libraries we stand on.
install(TARGETS vkclip_shared EXPORT vkclip_shared DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS vkclip_static EXPORT vkclip_static DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT vkclip_shared NAMESPACE vkclip:: FILE vkclip-shared.cmake DESTINATION ${config_dir})
install(EXPORT vkclip_static NAMESPACE vkclip:: FILE vkclip-static.cmake DESTINATION ${config_dir})

configure_package_config_file(cmake/vkclip-config.cmake.in vkclip-config.cmake
    INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(vkclip-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vkclip-config.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/vkclip-config-version.cmake DESTINATION ${config_dir})

file(RELATIVE_PATH include_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
    ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(cmake/vkclip.pc.in vkclip.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vkclip.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# What the program's --help points to.
install(DIRECTORY tools/prompts DESTINATION ${CMAKE_INSTALL_DATADIR}/vkclip)
