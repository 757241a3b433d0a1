import { expect, test } from "vitest";

import { withProxy } from "../src/common/proxy";

function given(env: NodeJS.ProcessEnv, settings: Readonly<Record<string, unknown>>): NodeJS.ProcessEnv {
  return withProxy(env, { get: (name: string, fallback?: unknown) => settings[name] ?? fallback } as never);
}

test("programs go through the editor's proxy", () => {
  expect(given({ PATH: "/bin" }, { proxy: "http://proxy:3128", noProxy: ["intra", "10.0.0.1"] })).toEqual({
    PATH: "/bin",
    HTTPS_PROXY: "http://proxy:3128",
    HTTP_PROXY: "http://proxy:3128",
    NO_PROXY: "intra,10.0.0.1",
  });
});

test("and through that of the user's own environment where it names one, in whatever case", () => {
  for (const name of ["https_proxy", "HTTP_PROXY", "all_proxy"]) {
    const env = { [name]: "http://own:1" };
    expect(given(env, { proxy: "http://proxy:3128" })).toEqual(env);
  }
});

test("and directly where nobody names one", () => {
  expect(given({ PATH: "/bin" }, { noProxy: ["intra"] })).toEqual({ PATH: "/bin" });
});
