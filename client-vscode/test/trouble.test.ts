import { describe, expect, it } from "vitest";

import { type Installed, installingCancelled, installingFails, unpackingFails } from "../src/environment/trouble";

const SERVER: Installed = { name: "The APO language server", python: "3.15", remedy: { kind: "try again" } };
const MODEL: Installed = { name: "The embedded model", python: "3.15", remedy: { kind: "install model" } };

describe("what unpacking fails on", () => {
  it.each([
    ["disk-full", "The disk is full: APO cannot put its files into /s.", "try again"],
    ["not-writable", "APO cannot put its files into /s, which cannot be written to.", "try again"],
    ["damaged", "A file of the APO extension is damaged: install the extension again.", "logs"],
    ["failed", "The APO language server could not be unpacked.", "logs"],
  ])("%s is one sentence with one remedy", (problem, sentence, kind) => {
    expect(unpackingFails(problem, "/s")).toEqual({ sentence, remedy: { kind } });
  });
});

describe("what pip fails on", () => {
  it.each([
    ["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", /disk is full/],
    ["[Errno 13] Permission denied: '/s/x'", /\/s, which cannot be written to/],
    ["The virtual environment was not created successfully because ensurepip is not available.", /no pip or venv/],
    ["/usr/bin/python3: No module named venv", /no pip or venv/],
    ["ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407'))", /proxy refused pip/],
    ["SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))", /does not trust the certificate/],
    ["NewConnectionError: Failed to establish a new connection: [Errno -3]", /cannot reach the package index/],
    ["ERROR: Could not find a version that satisfies attrs (from versions: none)", /cannot reach the package index/],
    ["ERROR: something new", /^The APO language server could not be installed for Python 3\.15\.$/],
  ])("%j", (output, sentence) => {
    const trouble = installingFails(output, SERVER, "/s");
    expect(trouble.sentence).toMatch(sentence);
    expect(trouble.sentence).not.toContain("\n");
  });

  it("tries the same again", () => {
    expect(installingCancelled(MODEL).remedy).toEqual({ kind: "install model" });
    expect(installingFails("No space left", MODEL, "/s").remedy).toEqual({ kind: "install model" });
    expect(installingFails("timed out", SERVER, "/s").remedy).toEqual({ kind: "try again" });
  });

  it("leads to the setting of the proxy", () => {
    expect(installingFails("ProxyError", SERVER, "/s").remedy).toEqual({ kind: "settings", setting: "http.proxy" });
  });
});
