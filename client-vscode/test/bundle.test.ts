import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { describe, expect, it } from "vitest";

import { bundleOf, readBundle } from "../src/environment/bundle";

const MANIFEST = JSON.stringify({
  target: "linux-x64",
  pythons: ["3.12"],
  model: "0123456789abcdef",
  wheels: [
    { file: "anyio-4-py3-none-any.whl", sha256: "", pythons: ["3.12"] },
    { file: "apo_language_server-0.1.0-py3-none-any.whl", sha256: "", pythons: ["3.12"] },
  ],
});

describe("bundleOf", () => {
  it("reads what the extension carries", () => {
    expect(bundleOf(MANIFEST, "0.1.0", "/ext/wheels", "/storage/environments")).toEqual({
      target: "linux-x64",
      pythons: ["3.12"],
      serverWheel: "apo_language_server-0.1.0-py3-none-any.whl",
      wheels: "/ext/wheels",
      environments: "/storage/environments",
      model: "01234567",
      stamp: expect.stringMatching(/^0\.1\.0-[0-9a-f]{8}$/) as string,
    });
  });

  it("has another stamp for other wheels", () => {
    const stamps = [MANIFEST, MANIFEST.replace("anyio-4", "anyio-5")].map((text) => bundleOf(text, "1", "", "")?.stamp);
    expect(new Set(stamps).size).toBe(2);
  });

  it("is none without the server's own wheel", () => {
    expect(bundleOf(MANIFEST.replace("apo_", "other_"), "1", "", "")).toBeUndefined();
    expect(bundleOf("{}", "1", "", "")).toBeUndefined();
  });
});

it("finds the bundle in the extension's folder, or none", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "apo-client-"));
  expect(await readBundle(folder, "1", "/storage")).toBeUndefined();
  await mkdir(path.join(folder, "wheels"));
  await writeFile(path.join(folder, "wheels", "manifest.json"), MANIFEST);
  expect(await readBundle(folder, "1", "/storage")).toMatchObject({
    wheels: path.join(folder, "wheels"),
    environments: "/storage/environments",
  });
  await rm(folder, { recursive: true });
});
