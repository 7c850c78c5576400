// Which of a server's values are secrets, and that nothing is left of them in a sentence.

import { describe, expect, test } from "bun:test";
import { secretsAmong, secretsOfEnvironment, withoutSecrets } from "../../src/upstream/hidden-values.ts";

describe("a variable", () => {
  test.each([
    ["API_KEY", "letters", true],
    ["DATABASE_PASSWORD", "123456789", true],
    ["GREETING", "s3cret-looking", true],
    ["URL", "https://user:word@host/", true],
    ["LOG_LEVEL", "information", false],
    ["PORT", "1234567", false],
    ["DATA_DIR", "/srv/docs", false],
    ["CONFIG", "./settings/main.json", false],
    ["API_KEY", "short", false],
    ["API_KEY", "", false],
  ])("%s=%s is a secret: %p", (name, value, isSecret) => {
    expect(secretsOfEnvironment({ [name]: value })).toEqual(isSecret ? [value] : []);
  });
});

test("a secret that is a part of another leaves nothing of it", () => {
  const secrets = secretsAmong(["secret-1", "secret-1-and-more", "secret-1"]);
  expect(secrets).toHaveLength(2);
  expect(withoutSecrets("bad: secret-1-and-more, secret-1", secrets)).toBe("bad: [secret], [secret]");
});
