// devices.h: how a device is told about in JSON.
#ifndef VKCLIP_DEVICES_H
#define VKCLIP_DEVICES_H

#include "text.h"
#include "vkclip.h"

// Adds the members of a device's object, without braces.
void devices_add_json(struct text *text, const vkclip_device_facts *device);

#endif
