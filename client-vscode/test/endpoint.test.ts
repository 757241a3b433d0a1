import { describe, expect, it } from "vitest";

import { baseUrl, namesEndpoint, withEndpoint } from "../src/secrets/endpoint";

describe("what the server is given", () => {
  it("is the stored key and the set address, before those of the environment", () => {
    const env = { PATH: "/bin", OPENAI_API_KEY: "old", OPENAI_BASE_URL: "http://old/v1" };
    expect(withEndpoint(env, "sk-new", "http://new/v1")).toEqual({
      PATH: "/bin",
      OPENAI_API_KEY: "sk-new",
      OPENAI_BASE_URL: "http://new/v1",
    });
  });

  it("leaves the environment as it is where nothing is set", () => {
    const env = { OPENAI_API_KEY: "own" };
    expect(withEndpoint(env, undefined, "")).toEqual(env);
    expect(withEndpoint(env, "", "")).toEqual(env);
  });
});

it("takes the address from the user's settings alone", () => {
  const inspected = { key: "", workspaceValue: "http://evil/v1", workspaceFolderValue: "http://evil/v1" };
  expect(baseUrl({ inspect: () => inspected as never })).toBe("");
  const own = { ...inspected, globalValue: " http://mine/v1 " };
  expect(baseUrl({ inspect: () => own as never })).toBe("http://mine/v1");
});

it("knows whether remote models are meant", () => {
  expect(namesEndpoint({ PATH: "/bin" })).toBe(false);
  expect(namesEndpoint({ OPENAI_API_KEY: " " })).toBe(false);
  expect(namesEndpoint({ OPENAI_API_KEY: "sk" })).toBe(true);
  expect(namesEndpoint({ OPENAI_BASE_URL: "http://127.0.0.1:1/v1" })).toBe(true);
});
