#!/usr/bin/env bash
# The newest validation layer on llvmpipe: core, synchronization, GPU-assisted and best-practices, a run each
. tools/matrix/row.sh

# What best-practices validation says and we do not follow, each with the reason. All else is a failure.
accepted=(
    # The tests make an engine or a buffer a case; the program makes all it needs once, when it loads, and the
    # weights, the arena and the staging ring are one buffer each.
    BestPractices-vkBindBufferMemory-small-dedicated-allocation
    BestPractices-NVIDIA-AllocateMemory-ReuseAllocations
    # VK_EXT_memory_priority is beyond Vulkan 1.1, and all of the program's memory is needed in every run.
    BestPractices-NVIDIA-AllocateMemory-SetPriority
    # Commands are recorded once and replayed, which is the design.
    BestPractices-Arm-vkBeginCommandBuffer-one-time-submit
    # A fence a submit: the program waits for each by itself, so that one that hangs is found in time.
    BestPractices-SyncObjects-HighNumberOfFences
    # 500 barriers in what the layer takes for a frame; there are none without a swapchain. Each of ours lies
    # between two kernels of which the second reads what the first wrote.
    BestPractices-AMD-CmdBuffer-highBarrierCount
    # One layout for all kernels: 64 bytes of push constants and a set are 17 words, more than AMD would keep in
    # registers. Linear alone needs 8; a layout a kernel would save a load of a word or two a workgroup.
    BestPractices-AMD-CreatePipelinesLayout-KeepLayoutSmall
    # The layer reads LocalSize, 1 wherever the width is a specialization constant. GPUs get 64 or 128.
    BestPractices-AMD-LocalWorkgroup-Multiple64
    BestPractices-Arm-vkCreateComputePipelines-compute-thread-group-alignment
)
# GPU-assisted validation says which features it switches on for itself.
accepted_with_gpu=(WARNING-Setting-Limit-Adjusted)

icd=$(llvmpipe_icd)
[ -n "$icd" ] || not_run "no llvmpipe here"
layer=$(newest_layer)
build_native

# Under GPU-assisted validation a shader takes so long that GPUs' variants, on a CPU, exceed the minute that a
# submit has there: the cases of test_kernels then run for the variants llvmpipe itself is given.
try_kernels() { # name, log, environment settings...
    local name=$1 log=$2 said
    shift 2
    if [ "$name" != GPU-assisted ]; then
        run_tests "$native" "$log" test_kernels "$@"
    elif said=$(env "$@" XDG_CACHE_HOME="$out/cache" "$native/vkclip" verify 2>&1); then
        echo "$said" >>"$log"
        echo "$(grep -c ' PASS$' <<<"$said") passed"
    else
        echo "$said" >>"$log"
        echo "FAILED: $(tail -n 1 <<<"$said")"
    fi
}

validate() { # name, mode of validation...
    local name=$1 log=$out/$1.log settings=$out/$1.txt environment
    shift
    environment=(VK_ICD_FILENAMES="$icd" VK_LAYER_PATH="$layer" VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation
        VK_LAYER_SETTINGS_PATH="$settings")
    write_validation_settings "$settings" stop "$@"
    case $name in
    best-practices) (IFS=, && echo "khronos_validation.message_id_filter = ${accepted[*]}") ;;
    GPU-assisted) (IFS=, && echo "khronos_validation.message_id_filter = ${accepted_with_gpu[*]}") ;;
    esac >>"$settings"
    validation_layer "$native/vkclip" "${environment[@]}"
    rm -f "$log"
    line "llvmpipe, $name validation" proof=ran versions="layer $(layer_version "$layer")" \
        kernels="$(try_kernels "$name" "$log" "${environment[@]}")" \
        towers="$(run_tests "$native" "$log" "$tower_tests" "${environment[@]}")" \
        demo="$(run_tests "$native" "$log" test_cli_device "${environment[@]}")" \
        messages="$(count_messages "$log")"
}

validate core core
validate synchronization sync
validate best-practices core best
validate GPU-assisted gpu
end_row
