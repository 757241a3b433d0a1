/** The part of the Python extension's interface that tells which interpreter is chosen. */
const fs = require("node:fs");
const { EventEmitter, Uri } = require("vscode");

const FILE = process.env.APO_E2E_CHOSEN;

exports.activate = ({ subscriptions }) => {
  const news = new EventEmitter();
  const watched = () => news.fire({});
  fs.watchFile(FILE, { interval: 100 }, watched);
  subscriptions.push(news, { dispose: () => fs.unwatchFile(FILE, watched) });
  return {
    environments: {
      getActiveEnvironmentPath: () => ({ path: fs.readFileSync(FILE, "utf8") }),
      resolveEnvironment: async ({ path }) => ({ executable: { uri: Uri.file(path) } }),
      onDidChangeActiveEnvironmentPath: news.event,
    },
  };
};
