// What an address is, however it is written and whatever carries it.

import { describe, expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import * as fc from "fast-check";
import {
  addressKind,
  type AddressKind,
  addressWords,
  ownAddresses,
} from "../../../src/cage/egress/addresses.ts";

const OWN = new Set(["8.8.4.4", "2a00:1::1"]);

const CASES: Readonly<Record<AddressKind, string>> = {
  public: `1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 9.255.255.255 11.0.0.0
    169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
    223.255.255.255 168.63.129.15 168.63.129.17 2606:4700::1111 2a00:1450:4001::200e 2001:4860:4860::8888
    ::ffff:1.1.1.1 ::1.1.1.1 64:ff9b::1.1.1.1 2002:0101:0101::1 2001:0:0:0:0:0:fefe:fefe`,
  own: "8.8.4.4 2a00:1::1 2A00:1:0::1 ::ffff:8.8.4.4",
  loopback: `127.0.0.1 127.1.2.3 127.255.255.255 ::1 0:0:0:0:0:0:0:1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::127.0.0.1
    ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b:1::127.0.0.1 2002:7f00:1:: 2001::80ff:fffe`,
  "link-local": "169.254.0.1 169.254.255.255 169.254.168.254 fe80::1 fe80::1%eth0 febf::1 ::ffff:169.254.1.1",
  private: `10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 100.127.255.255 fc00::1 fd00::1
    fdff:ffff::1 fec0::1 ::ffff:10.0.0.1 64:ff9b::c0a8:1 2002:c0a8:0001:: 2002:0a00:0001::5 2001:0:1:2:3:4:f5ff:fffe
    192.0.2.1 198.51.100.1 203.0.113.9 2001:db8::1 3fff::1`,
  metadata: `169.254.169.254 169.254.169.253 169.254.170.2 169.254.170.23 100.100.100.200 168.63.129.16 192.0.0.192
    fd00:ec2::254 fd00:ec2:0:0::23 fd20:ce::254 fe80::a9fe:a9fe fd00:42::42 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe
    64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: ::a9fe:a9fe 2001::5601:5601`,
  multicast: "224.0.0.1 239.255.255.255 ff02::1 ff0e::1 ::ffff:224.0.0.1",
  reserved: `0.0.0.0 0.1.2.3 255.255.255.255 240.0.0.1 192.0.0.1 198.18.0.1 198.19.255.255
    :: 100::1 4000::1 200::1 ::ffff:0.0.0.0 ::2 64:ff9b:2::1
    127.1 0x7f.0.0.1 2130706433 localhost example.com [::1] 1.2.3.4.5`,
};

for (const [kind, addresses] of Object.entries(CASES)) {
  describe(kind, () => {
    test.each(addresses.trim().split(/\s+/))("%s", (address) =>
      expect<string>(addressKind(address, OWN)).toBe(kind),
    );
  });
}

test("an IPv4 address is never better off inside of an IPv6 address", () => {
  const prefixes = fc.constantFrom("::ffff:", "::", "64:ff9b::", "64:ff9b:1::", "::ffff:0:");
  fc.assert(
    fc.property(prefixes, fc.ipV4(), (prefix, address) => {
      const kind = addressKind(address, new Set());
      const carried = addressKind(prefix + address, new Set());
      // `::` and `::1` are what they are.
      if (prefix === "::" && address.startsWith("0.0.0.")) return expect(carried).not.toBe("public");
      expect(carried).toBe(kind);
    }),
    { numRuns: 500 },
  );
});

test("any text has a kind, and one way of writing an address has that of every other", () => {
  fc.assert(
    fc.property(fc.string(), (text) => expect(addressWords(addressKind(text, new Set()))).not.toBe("")),
  );
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      expect(addressKind(address.toUpperCase(), new Set())).toBe(addressKind(address, new Set()));
    }),
  );
});

test("knows the addresses of this host", () => {
  const here = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []);
  const own = ownAddresses();
  expect(here.filter((address) => !address.includes(":")).every((address) => own.has(address))).toBe(true);
  expect([...own].some((address) => address.includes("%"))).toBe(false);
});
