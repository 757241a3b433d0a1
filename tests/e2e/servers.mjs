/** The server processes of a workbench, as the system knows them. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

import { until } from "./workbench.mjs";

/** The processes, each with its command line. */
function servers(home) {
  const processes = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).trim().split("\n");
  return processes
    .filter((line) => / -m apo_server( |$)/.test(line))
    .map((line) => ({ pid: Number(line.trim().split(/\s+/)[0]), words: line.trim() }))
    .filter(({ pid }) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`HOME=${home}\0`);
      } catch {
        return false;
      }
    });
}

/** The server that serves, another one than before. */
export async function server(page, home, before) {
  const { pid } = await until("a server", () => servers(home).find((one) => one.pid !== before));
  await page.locator('.statusbar-item [aria-label*="APO: nothing runs"]').first().waitFor();
  return pid;
}

/** The only server, once it is one that a certain program runs. */
export async function serverOf(home, program) {
  return until(`a server of ${program}`, () => {
    const found = servers(home);
    return found.length === 1 && found[0].words.includes(`${program} -m apo_server`);
  });
}
