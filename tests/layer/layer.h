// layer.h: the Vulkan layer of the tests, VK_LAYER_VKCLIP_test. Never installed, never linked.
//
// Between the program and the driver, it makes a driver smaller, worse or more talkative than it
// is. Switched on by VK_INSTANCE_LAYERS=VK_LAYER_VKCLIP_test, with VK_LAYER_PATH the folder of its
// manifest (tests/layer/ in the build folder). What it does is said by VKCLIP_LAYER: clauses
// NAME=VALUE separated by ';', read when an instance is created. Without clauses calls pass
// unchanged; a clause that cannot be read ends the process, so that no test passes by a typo.
//
//   limits.c, limits_memory.c, limits_work.c
//   profile=FILE   be the device that FILE describes (profile.h), and enforce it: what does not
//                  fit is refused, or ends the process, with a message; what only forgets to
//                  flush or invalidate gets stale bytes
//
//   fault.c
//   fail=CALL:N:RESULT[:on]   the Nth use of CALL gives RESULT, with ":on" every later one too; may
//                             be repeated
//   lose=submit:N, wait:N, map:N   the device is lost at the Nth use of that call
//   swallow=submit:N   the Nth submit is never done. A wait for it ends in VK_TIMEOUT at once, and
//                      any later call ends the process
//   delay=submit:N:MS  the Nth submit takes so much longer
//   count=FILE         write how often each call was used when the instance is destroyed
//
//   fault_objects.c
//   leaks=abort    end the process when the last device or the instance is destroyed with objects
//                  alive; so do the three below
//   room=BYTES     allocations beyond so much in all are out of device memory
//   budget=BYTES   VK_EXT_memory_budget says this of every heap
//   flip=N[:BIT]   from the Nth wait on, a bit of all mapped memory that the device writes is
//                  wrong; 22, the highest of the first float's fraction, where none is given
//
//   statistics.c
//   statistics=on   the driver keeps what its compiler tells of each pipeline
//
// The layer is a chain of stages, each in a file of its own: program -> first stage -> ... -> last
// stage -> driver. A stage takes part in an instance, and in the devices created from it, when one
// of its clauses was given. How a file becomes a stage:
//
//   1. It defines its struct layer_stage and adds it to layer.h and to the list in layer.c.
//   2. It hooks a call with a function of the call's own signature:
//          static VKAPI_ATTR VkResult VKAPI_CALL allocate(VkDevice device, ...)
//          {
//              struct fault_device *state = layer_device_state(&fault_stage, device);
//              ...
//              return NEXT(&fault_stage, device, vkAllocateMemory)(device, ...);
//          }
//      and an entry HOOK(vkAllocateMemory, allocate) in its table. Any call of a device, a queue or
//      a command buffer can be hooked, and those of an instance that layer.c lists (add what you
//      need), vkCreateDevice and vkDestroy... among them; for vkCreateInstance there is
//      before_create.
//   3. Its clauses go to the table above.
#ifndef VKCLIP_TESTS_LAYER_H
#define VKCLIP_TESTS_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

struct layer_hook {
    const char *name;
    PFN_vkVoidFunction function;
};
// Through an assignment to PFN_<call>, so that a wrong signature does not compile.
// clang-format off: its versions disagree about the braces
#define HOOK(call, function_)                                           \
    {                                                                   \
#call, (PFN_vkVoidFunction)(1 ? (function_) : (PFN_##call)NULL) \
    }
// clang-format on

struct layer_stage {
    const struct layer_hook *hooks; // ends with a NULL name

    // Reads a clause. Returns false when the name is none of this stage's (it may be that of
    // several); calls layer_abort when the value makes no sense.
    bool (*read_clause)(void *state, const char *name, const char *value);

    // Optional. Anything but VK_SUCCESS is what vkCreateInstance gives.
    VkResult (*before_create)(void *state);

    // Kept for the stage with each instance and each device, zeroed when that is created.
    size_t instance_bytes, device_bytes;
    // Optional: free what the states hold.
    void (*finish_instance)(void *state);
    void (*finish_device)(void *state);
};

extern const struct layer_stage limits_stage, work_stage, memory_stage, fault_stage,
    fault_objects_stage, statistics_stage;

// The states of a stage that takes part; the handle is any dispatchable one. The second is that of
// the instance the device was created from.
void *layer_device_state(const struct layer_stage *stage, const void *handle);
void *layer_instance_state(const struct layer_stage *stage, const void *handle);

// The function of that name behind a stage, for a dispatchable handle; NULL when there is none.
PFN_vkVoidFunction layer_next(const struct layer_stage *stage, const void *handle,
                              const char *name);
#define NEXT(stage, handle, call) ((PFN_##call)layer_next(stage, handle, #call))

// What stages keep of shader modules and pipelines, which several threads may create at once, is
// read and written between these two.
void layer_lock(void);
void layer_unlock(void);

// Says what is wrong on standard error, "layer: ...", and ends the process by SIGABRT.
_Noreturn void layer_abort(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
