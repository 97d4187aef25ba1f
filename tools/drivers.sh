# Sourced by check.sh and matrix/row.sh: the software driver, and the Khronos validation layer around it.
# shellcheck shell=bash

# The manifest of Mesa's driver that computes on the CPU; nothing where there is none.
llvmpipe_icd() {
    local file
    for file in /usr/share/vulkan/icd.d/lvp_icd."$(uname -m)".json /usr/share/vulkan/icd.d/lvp_icd.json; do
        [ ! -f "$file" ] || echo "$file"
    done | head -n 1
}

# Settings for VK_LAYER_SETTINGS_PATH, with VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation: what to validate, and
# whether a message stops the program that caused it, by SIGTRAP, so that no test can pass over it. Messages
# go to standard output, not to a log file, which the layer empties whenever a process starts.
#
# Synchronization validation is "old_sync" to layers that do not know validate_sync, such as Debian 12's; later ones
# warn of the old spelling. They look at what dispatches access through descriptors only by the setting called a
# heuristic: without it, version 1.4.364 finds nothing when every barrier between dispatches is taken out.
write_validation_settings() { # file, stop or log, any of core sync old_sync gpu best
    local file=$1 action=VK_DBG_LAYER_ACTION_LOG_MSG
    [ "$2" = log ] || action=$action,VK_DBG_LAYER_ACTION_BREAK
    shift 2
    {
        echo "khronos_validation.debug_action = $action"
        echo "khronos_validation.log_filename = stdout"
        echo "khronos_validation.report_flags = error,warn,perf"
        case " $* " in *' core '*) ;; *) echo "khronos_validation.validate_core = false" ;; esac
        case " $* " in *' old_sync '*)
            echo "khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT"
            ;;
        esac
        case " $* " in *' sync '*)
            echo "khronos_validation.validate_sync = true"
            echo "khronos_validation.syncval_shader_accesses_heuristic = true"
            ;;
        esac
        case " $* " in *' gpu '*) echo "khronos_validation.gpuav_enable = true" ;; esac
        case " $* " in *' best '*)
            echo "khronos_validation.validate_best_practices = true"
            printf 'khronos_validation.validate_best_practices_%s = true\n' amd arm img nvidia
            ;;
        esac
    } >"$file"
}

# Silence means something only if the layer is there: prints the library that was loaded, or fails.
validation_layer() { # vkclip, environment settings...
    local program=$1 report library
    shift
    report=$(env VK_LOADER_DEBUG=all VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation "$@" "$program" devices 2>&1) || return
    library=$(sed -n 's/.*[Ii]nsert instance layer.*VK_LAYER_KHRONOS_validation.*(\(.*\)).*/\1/p' <<<"$report" | head -n 1)
    case $library in
    /*) echo "$library" ;;
    ?*) find /usr/lib /usr/local/lib -name "$library" | grep -m 1 . ;; # Debian's manifest has the name alone
    *) return 1 ;;
    esac
}
