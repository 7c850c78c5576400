// A cage's own authority: what it issues is what clients believe, for the hosts it was made for and for no others.

import { afterEach, describe, expect, test } from "bun:test";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CertificateAuthority } from "../../../src/cage/egress/authority.ts";
import {
  authorityExtensions,
  hostExtensions,
  issueCertificate,
} from "../../../src/cage/egress/broker-certificate.ts";
import { hostCertificates, trustBundle } from "../../../src/cage/egress/broker-trust.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const openssl = Bun.which("openssl");

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** What `openssl verify` says, as a client that is as strict as it can be. */
function verify(ca: string, certificate: string, ...args: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), "toolcrib-authority-"));
  directories.push(directory);
  const [caFile, file] = [join(directory, "ca.pem"), join(directory, "leaf.pem")];
  writeFileSync(caFile, ca);
  writeFileSync(file, certificate);
  const strict = ["-x509_strict", "-purpose", "sslserver", "-no-CAfile", "-no-CApath", "-CAfile", caFile];
  const { stdout, stderr } = Bun.spawnSync(["openssl", "verify", ...strict, ...args, file]);
  return `${stdout}${stderr}`.replaceAll(file, "leaf");
}

describe("a leaf", () => {
  test.each(["api.example.com", "192.0.2.7", "2001:db8::7", "under_score.example.com"])("for %s", (host) => {
    const authority = new CertificateAuthority("files", ["other.example.com", host]);
    const leaf = new X509Certificate(authority.leaf(host).certificates);
    const ca = new X509Certificate(authority.caCertificatePem());
    expect(leaf.verify(ca.publicKey)).toBe(true);
    expect(leaf.checkIssued(ca)).toBe(true);
    expect(leaf.ca).toBe(false);
    expect(host.includes(".") && /[a-z]/.test(host) ? leaf.checkHost(host) : leaf.checkIP(host)).toBe(host);
    expect(leaf.checkHost("other.example.com")).toBeUndefined();
    expect(leaf.publicKey.asymmetricKeyDetails?.namedCurve).toMatch(/P-256|prime256v1/);
  });

  test("lives for 30 days, and is made anew when 10 are left", () => {
    let now = Date.parse("2026-06-01T12:00:00Z");
    const authority = new CertificateAuthority("files", ["api.example.com"], () => now);
    const first = authority.leaf("api.example.com");
    const { validFrom, validTo } = new X509Certificate(first.certificates);
    expect(Date.parse(validFrom)).toBe(now - DAY_MS);
    expect(Date.parse(validTo)).toBe(now + 30 * DAY_MS);
    now += 19 * DAY_MS;
    expect(authority.leaf("api.example.com")).toBe(first);
    now += 2 * DAY_MS;
    const second = authority.leaf("api.example.com");
    expect(second.notAfter).toBe(now + 30 * DAY_MS);
    expect(second.privateKey).not.toBe(first.privateKey);
  });

  test("is not to be had for another host", () => {
    const authority = new CertificateAuthority("files", ["api.example.com"]);
    for (const host of ["example.com", "evil.test", "sub.api.example.com", "192.0.2.7"]) {
      expect(() => authority.leaf(host)).toThrow(`not for ${host}`);
    }
  });

  test("after the year 2049, dates are written differently, and are the same", () => {
    const now = Date.parse("2049-12-20T00:00:00Z");
    const authority = new CertificateAuthority("files", ["api.example.com"], () => now);
    const { validTo } = new X509Certificate(authority.leaf("api.example.com").certificates);
    expect(Date.parse(validTo)).toBe(now + 30 * DAY_MS);
  });

  test.skipIf(openssl === null)("is what OpenSSL believes, by its strictest rules (needs openssl)", () => {
    const authority = new CertificateAuthority("files", ["api.example.com", "192.0.2.7"]);
    const ca = authority.caCertificatePem();
    const leaf = authority.leaf("api.example.com").certificates;
    expect(verify(ca, leaf, "-verify_hostname", "api.example.com")).toBe("leaf: OK\n");
    expect(verify(ca, leaf, "-verify_hostname", "evil.test")).toContain("mismatch");
    expect(verify(ca, authority.leaf("192.0.2.7").certificates, "-verify_ip", "192.0.2.7")).toBe(
      "leaf: OK\n",
    );
    expect(verify(new CertificateAuthority("files", ["api.example.com"]).caCertificatePem(), leaf)).toContain(
      "error",
    );
  });
});

describe("the authority", () => {
  test.skipIf(openssl === null).each<[string, readonly string[], string]>([
    ["another name", ["api.example.com"], "evil.test"],
    ["the name above", ["api.example.com"], "example.com"],
    ["an address, where there are names alone", ["api.example.com"], "192.0.2.7"],
    ["an address of IPv6, where there are names alone", ["api.example.com"], "2001:db8::7"],
    ["a name, where there are addresses alone", ["192.0.2.7"], "api.example.com"],
    ["another address", ["192.0.2.7"], "192.0.2.8"],
  ])("cannot vouch for %s (needs openssl)", (_name, hosts, host) => {
    const ca = stolen(hosts, host);
    expect(verify(ca.certificate, ca.leaf)).toMatch(/permitted subtree violation|excluded subtree violation/);
  });

  test("is one of its own in each cage, also of the same server", () => {
    const [one, other] = [1, 2].map(() => new CertificateAuthority("files", ["api.example.com"]));
    expect(one?.caCertificatePem()).not.toBe(other?.caCertificatePem());
    const leaf = new X509Certificate(one?.leaf("api.example.com").certificates ?? "");
    expect(leaf.verify(new X509Certificate(other?.caCertificatePem() ?? "").publicKey)).toBe(false);
  });

  test("has a name that fits, whatever the server is called", () => {
    const authority = new CertificateAuthority("s".repeat(200), ["api.example.com"]);
    const { subject } = new X509Certificate(authority.caCertificatePem());
    expect(subject).toHaveLength("CN=".length + 64);
  });

  test("its key is not printed", () => {
    const authority = new CertificateAuthority("files", ["api.example.com"]);
    authority.leaf("api.example.com");
    expect(Bun.inspect(authority, { depth: 20 })).not.toMatch(/PRIVATE|KeyObject/);
    expect(JSON.stringify(authority)).toBe("{}");
  });
});

test("the bundle of a cage is what the host trusts, and the authority at the end", () => {
  const { length } = hostCertificates();
  const ca = new CertificateAuthority("files", ["api.example.com"]).caCertificatePem();
  const bundle = trustBundle(hostCertificates(), ca);
  expect(bundle.match(/-----BEGIN CERTIFICATE-----\n/g)).toHaveLength(length + 1);
  expect(bundle).toEndWith(`\n${ca}`);
  expect(length).toBeGreaterThan(0);
});

/** A leaf for `host`, from an authority for `hosts` whose key is known: one that somebody has got hold of. */
function stolen(hosts: readonly string[], host: string): { certificate: string; leaf: string } {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = { name: "stolen", ...keys };
  const times = { notBefore: Date.now() - DAY_MS, notAfter: Date.now() + DAY_MS };
  const { publicKey } = keys;
  return {
    certificate: issueCertificate({
      subject: "stolen",
      publicKey,
      issuer,
      ...times,
      extensions: authorityExtensions(hosts),
    }),
    leaf: issueCertificate({
      subject: "leaf",
      publicKey,
      issuer,
      ...times,
      extensions: hostExtensions(host),
    }),
  };
}
