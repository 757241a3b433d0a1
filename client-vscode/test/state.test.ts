import { expect, it } from "vitest";

import type { Launch } from "../src/server/launch";
import { describe as words } from "../src/server/state";

const LAUNCH: Launch = { source: "workspace", command: "/w/.venv/bin/python", args: ["-m", "apo_server"] };

it("names the version and where the server came from", () => {
  expect(words({ kind: "running", launch: LAUNCH, version: "0.1.0", trusted: true })).toMatchObject({
    detail: "apo-language-server 0.1.0, from the workspace's .venv",
    severity: "information",
    busy: false,
  });
});

it("says on which Python the bundled server runs", () => {
  const launch: Launch = { ...LAUNCH, source: "PATH", modules: "/storage/env" };
  expect(words({ kind: "running", launch, version: "0.1.0", trusted: true }).detail).toBe(
    "apo-language-server 0.1.0 (bundled), Python from PATH",
  );
});

it("gets by without a version", () => {
  const launch: Launch = { ...LAUNCH, source: "setting" };
  expect(words({ kind: "running", launch, version: undefined, trusted: true }).detail).toBe(
    "apo-language-server, from apo.python",
  );
});

it("says what Restricted Mode leaves out", () => {
  expect(words({ kind: "running", launch: LAUNCH, version: "0.1.0", trusted: false }).detail).toMatch(
    /static checks only/,
  );
});

it("shows errors as errors, with their sentence, and is busy only where something is under way", () => {
  expect(words({ kind: "missing", sentence: "Why." })).toMatchObject({ detail: "Why.", severity: "error", busy: false });
  expect(words({ kind: "down", sentence: "Why." })).toMatchObject({ detail: "Why.", severity: "error", busy: false });
  expect(words({ kind: "starting" }).busy).toBe(true);
  expect(words({ kind: "crashed", retryInMs: 4_000 })).toMatchObject({
    detail: expect.stringContaining("4 s") as string,
    severity: "warning",
    busy: true,
  });
});
