import { expect, test } from "vitest";

import { committedFile, reportFiles } from "../scripts/report.mjs";

test("the committed page is what its source builds", async () => {
  for (const [name, text] of Object.entries(await reportFiles())) {
    expect(committedFile(name) === text, `${name} is out of date: npm run report`).toBe(true);
  }
});
