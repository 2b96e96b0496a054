-- SPDX-License-Identifier: BSD-3-Clause
--
-- Pktgen-DPDK: single-key GETs to a millrace appliance, from 64 source ports, with a random key.
-- Set what is below, then: pktgen ... -- ... -f bench/pktgen/millrace.lua, and `start 0`.

package.path = package.path .. ";?.lua;test/?.lua;app/?.lua;../?.lua"
require "Pktgen"

local port = "0"
local appliance_mac = "02:00:00:00:00:01"
local appliance_ip = "10.77.0.1"
local own_ip = "10.77.0.2"
local view = 1            -- id: `millrace sets`
local udp_port = 7411
local percent = 10        -- of the line rate

-- Header of a request (docs/protocol.md): magic, version 1, operation GET, no flags, request id,
-- no cookie (a trusted sender), view, one key of eight bytes, no deadline. Then the key.
local function le16(n)
    return string.char(n % 256, math.floor(n / 256))
end

local payload = "MRRQ" .. string.char(1, 3, 0, 0) .. string.rep("\1", 8) .. string.rep("\0", 8) ..
    le16(view) .. string.char(1, 8) .. string.rep("\0", 4) .. string.rep("\0", 8)
local eth_ip_udp = 14 + 20 + 8
local key_at = eth_ip_udp + 32

pktgen.stop(port)
pktgen.set(port, "size", eth_ip_udp + #payload + 4) -- with the frame check sequence
pktgen.set(port, "rate", percent)
pktgen.set(port, "count", 0)
pktgen.set(port, "sport", 40000)
pktgen.set(port, "dport", udp_port)
pktgen.set_mac(port, "dst", appliance_mac)
pktgen.set_ipaddr(port, "src", own_ip .. "/24")
pktgen.set_ipaddr(port, "dst", appliance_ip)
pktgen.set_proto(port, "udp")
pktgen.set_type(port, "ipv4")
-- Ports 40000 to 40063, so that RSS spreads requests over queues.
pktgen.range.src_port(port, "start", 40000)
pktgen.range.src_port(port, "inc", 1)
pktgen.range.src_port(port, "min", 40000)
pktgen.range.src_port(port, "max", 40063)
-- The bytes of the payload, and the last four of the (big-endian) key at random below 2^17.
pktgen.pattern(port, "user")
pktgen.userPattern(port, payload)
pktgen.rnd(port, 0, key_at + 4, "00000000.0000000X.XXXXXXXX.XXXXXXXX")
printf("millrace: GETs of view %d to %s, port %d; type `start %s`\n", view, appliance_ip, udp_port, port)
