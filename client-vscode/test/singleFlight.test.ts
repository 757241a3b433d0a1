import { describe, expect, it } from "vitest";

import { singleFlight } from "../src/server/singleFlight";

/** A task whose runs end one by one when told to, and that counts how many run at once. */
function controlled(): { task: () => Promise<void>; end: (error?: Error) => void; starts: () => number; most: () => number } {
  const ends: ((error?: Error) => void)[] = [];
  let starts = 0;
  let running = 0;
  let most = 0;
  return {
    task: async () => {
      starts += 1;
      running += 1;
      most = Math.max(most, running);
      try {
        await new Promise<void>((resolve, reject) => {
          ends.push((error) => {
            if (error === undefined) {
              resolve();
            } else {
              reject(error);
            }
          });
        });
      } finally {
        running -= 1;
      }
    },
    end: (error) => ends.shift()?.(error),
    starts: () => starts,
    most: () => most,
  };
}

describe("singleFlight", () => {
  it("answers any number of calls during a run with one further run", async () => {
    const control = controlled();
    const fly = singleFlight(control.task);
    const first = fly();
    const later = [fly(), fly(), fly()];
    control.end();
    await first;
    await Promise.resolve();
    control.end();
    await Promise.all(later);
    expect(control.starts()).toBe(2);
    expect(control.most()).toBe(1);
  });

  it("never overlaps, at whatever moment a call comes", async () => {
    const control = controlled();
    const fly = singleFlight(control.task);
    const calls: Promise<void>[] = [];
    for (let step = 0; step < 200; step += 1) {
      calls.push(fly());
      if (step % 3 === 0) {
        control.end();
      }
      for (let tick = 0; tick < step % 7; tick += 1) {
        await Promise.resolve();
      }
    }
    const all = Promise.all(calls);
    const pump = setInterval(() => {
      control.end();
    });
    await all;
    clearInterval(pump);
    expect(control.most()).toBe(1);
    expect(control.starts()).toBeGreaterThan(2);
  });

  it("goes on after a run that failed", async () => {
    const control = controlled();
    const fly = singleFlight(control.task);
    const first = fly();
    const second = fly();
    control.end(new Error("broken"));
    await expect(first).rejects.toThrow("broken");
    control.end();
    await second;
    const third = fly();
    control.end();
    await third;
    expect(control.starts()).toBe(3);
  });
});
