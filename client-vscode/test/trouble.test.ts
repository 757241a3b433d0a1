import { describe, expect, it } from "vitest";

import { installingFails, unpackingFails } from "../src/environment/trouble";

describe("what unpacking fails on", () => {
  it.each([
    ["disk-full", "The disk is full: the APO language server needs about 60 MB in /s.", "try again"],
    ["not-writable", "The APO language server cannot be unpacked: /s cannot be written to.", "try again"],
    ["damaged", "A file of the APO extension is damaged: install the extension again.", "logs"],
    ["failed", "The APO language server could not be unpacked.", "logs"],
  ])("%s is one sentence with one remedy", (problem, sentence, kind) => {
    expect(unpackingFails(problem, "/s")).toEqual({ sentence, remedy: { kind } });
  });
});

describe("what pip fails on", () => {
  it.each([
    ["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", /disk is full/],
    ["[Errno 13] Permission denied: '/s/x'", /\/s cannot be written to/],
    ["The virtual environment was not created successfully because ensurepip is not available.", /no pip or venv/],
    ["/usr/bin/python3: No module named venv", /no pip or venv/],
    ["ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407'))", /proxy refused pip/],
    ["SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))", /does not trust the certificate/],
    ["NewConnectionError: Failed to establish a new connection: [Errno -3]", /cannot reach the package index/],
    ["ERROR: something new", /^The APO language server could not be installed for Python 3\.15\.$/],
  ])("%j", (output, sentence) => {
    const trouble = installingFails(output, "3.15", "/s");
    expect(trouble.sentence).toMatch(sentence);
    expect(trouble.sentence).not.toContain("\n");
  });

  it("leads to the setting of the proxy", () => {
    expect(installingFails("ProxyError", "3.15", "/s").remedy).toEqual({ kind: "settings", setting: "http.proxy" });
  });
});
