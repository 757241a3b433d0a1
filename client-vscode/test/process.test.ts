import { once } from "node:events";

import { describe, expect, it } from "vitest";

import { spawnServer, within } from "../src/server/process";

const SURROUNDINGS = { cwd: process.cwd(), env: process.env };

describe("spawnServer", () => {
  it("starts the program with its arguments and its streams open", async () => {
    const args = ["-e", "process.stdin.pipe(process.stdout)"];
    const child = await spawnServer({ source: "PATH", command: process.execPath, args }, SURROUNDINGS);
    child.stdin?.end("hello");
    expect(child.stdout && String((await once(child.stdout, "data"))[0])).toBe("hello");
  });

  it("rejects when there is no such program", async () => {
    await expect(spawnServer({ source: "PATH", command: "/none/such", args: [] }, SURROUNDINGS)).rejects.toThrow(
      "ENOENT",
    );
  });
});

describe("within", () => {
  it("passes on what comes in time", async () => {
    expect(await within(Promise.resolve(7), 1000, "late")).toBe(7);
    await expect(within(Promise.reject(new Error("own")), 1000, "late")).rejects.toThrow("own");
  });

  it("rejects what does not come", async () => {
    await expect(within(new Promise(() => undefined), 5, "late")).rejects.toThrow("late");
  });
});
