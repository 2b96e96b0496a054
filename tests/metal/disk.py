# SPDX-License-Identifier: BSD-3-Clause
"""A disk with a volatile write cache, whose power can be cut.

Killing QEMU alone loses nothing that the guest had written: the host's page cache keeps it, as if
every write were durable at once. So QEMU logs each write and flush (blklogwrites, the format of the
kernel's dm-log-writes), and after a cut the disk is put together again: what it held at boot, all
writes up to the last flush, and of the later ones, which a real disk may or may not have kept, a
random choice of whole sectors. Those have 4 KiB, as in today's disks: ext4 counts on that for the last block of a
transaction in its journal, and does not mount after a power cut that left 512 bytes of it.
"""

import os
import random
import struct
import subprocess

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4
SECTOR_BYTES = 4096


class Disk:
    def __init__(self, build, name, megabytes):
        os.makedirs(os.path.join(build, "metal"), exist_ok=True)
        path = os.path.join(build, "metal", name + ".disk")
        self.path, self.log, self.base = path, path + ".log", path + ".base"
        with open(path, "wb") as out:
            out.truncate(megabytes << 20)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", path], check=True)

    def devices(self):
        """QEMU arguments; call it before each boot."""
        subprocess.run(["cp", "--sparse=always", self.path, self.base], check=True)
        with open(self.log, "wb") as out:
            out.truncate(0)
        return ["-blockdev", "driver=file,node-name=diskfile,filename=" + self.path,
                "-blockdev", "driver=file,node-name=disklog,filename=" + self.log,
                "-blockdev", "driver=blklogwrites,node-name=disk,file=diskfile,log=disklog",
                "-device", "virtio-blk-pci,drive=disk,write-cache=on,bus=pcie.0,"
                "physical_block_size=%d" % SECTOR_BYTES]

    def entries(self, log):
        """(flags, first byte, data) of the log, in order."""
        magic, _, _, sector = struct.unpack("<QQQI", log.read(28))
        assert magic == MAGIC, "not a log of writes"
        log.seek(sector)
        while True:
            head = log.read(sector)
            if len(head) < sector:
                return
            first, count, flags, _ = struct.unpack_from("<QQQQ", head)
            if count == 0 and flags == 0:
                return
            size = 0 if flags & DISCARD else count * sector
            data = log.read(size)
            if len(data) < size:
                return  # torn: it was being written when the power went
            yield flags, first * sector, data, count * sector

    def cut(self, seed):
        """The power is gone: keeps what was flushed, and some of what was not."""
        rng = random.Random(seed)
        with open(self.log, "rb") as log:
            last = max([i for i, e in enumerate(self.entries(log)) if e[0] & FLUSH], default=-1)
        kept = lost = 0
        with open(self.log, "rb") as log, open(self.base, "r+b") as disk:
            for i, (flags, at, data, size) in enumerate(self.entries(log)):
                if flags & DISCARD:
                    continue
                step = size if i <= last or flags & FUA else SECTOR_BYTES
                for part in range(0, size, step or 1):
                    if i <= last or flags & FUA or rng.random() < 0.5:
                        disk.seek(at + part)
                        disk.write(data[part:part + step])
                        kept += step
                    else:
                        lost += step
        os.replace(self.base, self.path)
        return kept, lost
