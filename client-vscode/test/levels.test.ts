import { expect, test } from "vitest";

import { levels } from "../src/server/levels";

test("each line of the server's log keeps its level, and what follows from it too", () => {
  const lines = [
    ["Fatal Python error: nobody has said a level yet", "info"],
    ["INFO apo_server.main: begun", "info"],
    ["ERROR apo_server.protocol: failed", "error"],
    ["Traceback (most recent call last):", "error"],
    ["NOTE apo_server: is no level", "error"],
    ["WARNING pygls: …", "warn"],
    ["DEBUG apo_server.worker: asked", "debug"],
    ["CRITICAL apo_server: gone", "error"],
  ] as const;
  const levelOf = levels();
  expect(lines.map(([line]) => levelOf(line))).toEqual(lines.map(([, level]) => level));
});
