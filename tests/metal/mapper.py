# SPDX-License-Identifier: BSD-3-Clause
"""A disk of the guest below a device-mapper target, with which it fails or stands still as real ones do."""

import os

import inside

# How each kind of disk answers; the table's middle is filled with the size in sectors.
TABLES = {
    "sound": "0 %d linear %s 0",
    # Up for 0 s, down for an hour; error_writes: writes fail, reads do not.
    "failing writes": "0 %d flakey %s 0 0 3600 1 error_writes",
    "failing": "0 %d error",
}


class Mapper:
    def __init__(self, device="/dev/vda", where="/mnt/disk"):
        self.device, self.where = device, where
        self.sectors = int(inside.read("/sys/block/%s/size" % os.path.basename(device)))
        for module in ("dm-mod", "dm-flakey"):
            inside.run(["modprobe", module])
        inside.run(["dmsetup", "--noudevsync", "create", "bad", "--table", self.table("sound")])
        inside.run(["dmsetup", "mknodes"])
        self.mount()

    def table(self, kind):
        text = TABLES[kind]
        return text % ((self.sectors, self.device) if "%s" in text else self.sectors)

    def switch(self, kind):
        self.stall()
        inside.run(["dmsetup", "load", "bad", "--table", self.table(kind)])
        self.go_on()
        inside.say("disk:", kind)

    def stall(self):
        """What is asked of the disk from here on waits."""
        inside.run(["dmsetup", "suspend", "--noflush", "--nolockfs", "bad"])

    def go_on(self):
        inside.run(["dmsetup", "resume", "bad"])

    def mount(self):
        os.makedirs(self.where, exist_ok=True)
        inside.run(["mount", "-o", "noatime", "/dev/mapper/bad", self.where])

    def mount_again(self):
        inside.run(["umount", self.where])
        self.mount()
