# SPDX-License-Identifier: BSD-3-Clause
"""TRex stateless profile: a capture made by `millrace pcap --write`, again and again."""

import argparse

from trex_stl_lib.api import STLProfile


class Millrace:
    def get_streams(self, tunables, **kwargs):
        parser = argparse.ArgumentParser()
        parser.add_argument("--capture", default="flows.pcap")
        parser.add_argument("--pps", type=float, default=1e6)
        args = parser.parse_args(tunables)
        return STLProfile.load_pcap(args.capture, ipg_usec=1e6 / args.pps, loop_count=0).get_streams()


def register():
    return Millrace()
