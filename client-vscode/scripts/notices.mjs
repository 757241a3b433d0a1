/** The licences of what went into a bundle. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** The text that goes with a bundle, given esbuild's account of its inputs. */
export function notices({ inputs }) {
  const packages = new Set(
    Object.keys(inputs).flatMap((input) => input.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1] ?? []),
  );
  const texts = [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) {
      throw new Error(`${name} ${version} carries no licence text`);
    }
    return `${name} ${version} (${license})\n\n${readFileSync(path.join(folder, file), "utf8").trim()}\n`;
  });
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}
