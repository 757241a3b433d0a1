import { describe, expect, it } from "vitest";

import { isTooOld, understood, unfit } from "../src/environment/interpreter";

const SAID = {
  command: "/usr/bin/python3",
  version: [3, 12],
  implementation: "CPython",
  tag: "cpython-312",
  free: false,
  platform: "linux-x86_64",
  machine: "x86_64",
  host: "x86_64-pc-linux-gnu",
  lzma: true,
  server: false,
};

function interpreter(facts: Partial<typeof SAID> = {}): NonNullable<ReturnType<typeof understood>> {
  return understood(JSON.stringify({ ...SAID, ...facts })) ?? expect.unreachable();
}

describe("understood", () => {
  it("reads an answer, whatever was printed before it", () => {
    expect(understood(`Welcome!\r\n${JSON.stringify(SAID)}\r\n`)).toEqual({
      command: "/usr/bin/python3",
      version: "3.12",
      implementation: "CPython",
      tag: "cpython-312",
      target: "linux-x64",
      lzma: true,
      hasServer: false,
    });
  });

  it.each(["", "Python was not found", "3", "null", "[]", "{}", '{"command": "", "version": [3, 12]}', "{"])(
    "does not take %j for an answer",
    (output) => {
      expect(understood(output)).toBeUndefined();
    },
  );

  it.each([
    ["linux-x86_64", "x86_64", "x86_64-pc-linux-gnu", "linux-x64"],
    ["linux-x86_64", "x86_64", "x86_64-pc-linux-musl", "alpine-x64"],
    ["linux-aarch64", "aarch64", "aarch64-unknown-linux-gnu", "linux-arm64"],
    ["macosx-10.9-universal2", "arm64", "", "darwin-arm64"],
    ["macosx-10.9-universal2", "x86_64", "", "darwin-x64"],
    ["win-amd64", "ARM64", "", "win32-x64"],
    ["win32", "AMD64", "", "win32"],
  ])("calls %s on %s with %s by the editor's name %s", (platform, machine, host, target) => {
    expect(interpreter({ platform, machine, host }).target).toBe(target);
  });

  it.each(["../../x", "..", "a..b", "cpython/312", "cpython\\312", "cpython 312", "", "C:x", "-rf", "é", "x".repeat(65), 312, {}])(
    "does not understand the tag %j, which becomes part of a path",
    (tag) => {
      expect(understood(JSON.stringify({ ...SAID, tag }))).toBeUndefined();
    },
  );

  it.each(["cpython-312", "pypy39", "graalpy-38", "cpython_3.12"])("understands the tag %s", (tag) => {
    expect(understood(JSON.stringify({ ...SAID, tag }))?.tag).toBe(tag);
  });

  it("tells a build without the GIL by its tag", () => {
    expect(interpreter({ free: true }).tag).toBe("cpython-312t");
  });
});

it.each([
  ["2.7", true],
  ["3.9", true],
  ["3.10", true],
  ["3.11", false],
  ["3.14", false],
  ["4.0", false],
])("knows whether %s is too old", (version, old) => {
  expect(isTooOld(version)).toBe(old);
});

it("says why an interpreter will not do", () => {
  expect(unfit(interpreter())).toBeUndefined();
  expect(unfit(interpreter({ version: [3, 9] }))).toBe("/usr/bin/python3 is Python 3.9, which is older than 3.11");
  expect(unfit(interpreter({ implementation: "PyPy" }))).toBe("/usr/bin/python3 is PyPy, and CPython is needed");
});
