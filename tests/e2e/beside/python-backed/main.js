/** Starts pylsp, as small as an extension can be. */
const { LanguageClient } = require("vscode-languageclient/node");

exports.activate = async ({ subscriptions }) => {
  const client = new LanguageClient(
    "pylsp",
    { command: process.env.APO_BENCH_PYTHON, args: ["-m", "pylsp"] },
    { documentSelector: [{ scheme: "file", language: "python" }] },
  );
  subscriptions.push({ dispose: () => client.stop() });
  await client.start();
};
