import { expect, it } from "vitest";

import { Crashes } from "../src/server/crashes";

it("waits longer after each crash and gives up at the fifth within three minutes", () => {
  const crashes = new Crashes();
  expect([0, 10_000, 20_000, 30_000, 40_000].map((time) => crashes.record(time))).toEqual([
    1_000,
    2_000,
    4_000,
    8_000,
    undefined,
  ]);
});

it("bears crashes that are far apart for ever", () => {
  const crashes = new Crashes();
  expect(Array.from({ length: 10 }, (_, day) => crashes.record(day * 86_400_000))).toEqual(Array(10).fill(1_000));
});

it("starts afresh when told to forget", () => {
  const crashes = new Crashes();
  crashes.record(0);
  crashes.record(1);
  crashes.forget();
  expect(crashes.record(2)).toBe(1_000);
});
