// Who is trusted, in both directions: the certificates that brokered hosts are checked against, and the file and
// variables by which a cage, and nothing outside of it, trusts its own authority. The plan of a start puts the latter
// into the cage; app.ts makes the former once for all cages.

import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";

/** Where OpenSSL, and with it Python, curl, git and Ruby, looks on Debian, Ubuntu and Alpine; also Go. */
export const TRUST_FILE = "/etc/ssl/certs/ca-certificates.crt";

/** The same file where other systems have it. In a cage that shows one of these, it is to be replaced as well. */
export const TRUST_FILES: readonly string[] = [
  TRUST_FILE,
  "/etc/ssl/cert.pem",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];

/**
 * Each names one file of certificates. Those that bring a list of their own (Node, Bun, requests, boto, Deno) read it
 * here; for the others it is where they look anyway.
 */
const TRUST_VARIABLES = [
  "SSL_CERT_FILE",
  "NODE_EXTRA_CA_CERTS",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
  "GIT_SSL_CAINFO",
  "PIP_CERT",
  "AWS_CA_BUNDLE",
  "HTTPLIB2_CA_CERTS",
  "DENO_CERT",
  "CARGO_HTTP_CAINFO",
] as const;

/**
 * What the host trusts, as PEM: its own store, or the list that comes with the executable where it has none; then what
 * NODE_EXTRA_CA_CERTS of the appliance names. Takes some 30 ms.
 */
export function hostCertificates(): readonly string[] {
  const own = getCACertificates("system");
  return [
    ...new Set([...(own.length === 0 ? getCACertificates("bundled") : own), ...getCACertificates("extra")]),
  ];
}

/** For connections to brokered hosts. NB: one for all of them: each keeps a megabyte of certificates. */
export function trustContext(certificates: readonly string[]): SecureContext {
  return createSecureContext({ ca: [...certificates], minVersion: "TLSv1.2" });
}

/** The file of a cage: what the host trusts, and its own authority. Some 220 KB. */
export function trustBundle(certificates: readonly string[], caCertificatePem: string): string {
  return [...certificates, caCertificatePem].map((pem) => `${pem.trim()}\n`).join("");
}

/** What the environment of the cage has to say, over what the host's says: `file` is where the bundle is inside. */
export function trustEnvironment(file: string = TRUST_FILE): Record<string, string> {
  return Object.fromEntries(TRUST_VARIABLES.map((name) => [name, file]));
}
