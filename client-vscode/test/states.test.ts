import { describe, expect, test } from "vitest";

import { States } from "../src/server/states";

describe("what needs a server", () => {
  const launch = { command: "python3", args: [], source: "PATH" } as const;
  const running = { kind: "running", launch, version: "1", trusted: true } as const;

  test("waits for one that is on its way, through crashes", async () => {
    const shown: string[] = [];
    const states = new States((state) => shown.push(state.kind));
    let settled = false;
    const waiting = states.settled().then(() => {
      settled = true;
    });
    states.turn({ kind: "crashed", retryInMs: 1_000 });
    await Promise.resolve();
    expect(settled).toBe(false);
    states.turn(running);
    await waiting;
    await states.settled();
    expect(shown).toEqual(["crashed", "running"]);
    expect(states.now).toBe(running);
  });
  test("does not wait for one that never comes", async () => {
    const states = new States();
    const waiting = states.settled();
    states.turn({ kind: "missing", sentence: "No Python." });
    await waiting;
  });
});
