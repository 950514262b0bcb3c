"use strict";
// Starts `redraft lsp` and connects the editor with it. Colours need none of this.

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

const SETTING = "redraft.path";
let client;

/** The program that the setting names, with the open folder put in. */
function program() {
  const path = vscode.workspace.getConfiguration().get(SETTING, "redraft").trim() || "redraft";
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? "";
  return path.replaceAll("${workspaceFolder}", () => folder);
}

async function start() {
  const command = program();
  client = new LanguageClient(
    "redraft",
    "redraft",
    { command, args: ["lsp"] },
    {
      // Recipes that lie on the disk, or have yet to be saved there.
      documentSelector: ["file", "untitled"].map((scheme) => ({ scheme, language: "redraft" })),
    },
  );
  try {
    await client.start();
  } catch (error) {
    // Not waited for: the message stays until it is read, and a restart must not wait for that.
    complain(command, error instanceof Error ? error.message : String(error));
  }
}

async function complain(command, reason) {
  const chosen = await vscode.window.showErrorMessage(
    `\`${command} lsp\` does not start, so recipes have colours only: ${reason}. ` +
      "Install redraft with its language server, or say where it is.",
    "Open the setting",
  );
  if (chosen) await vscode.commands.executeCommand("workbench.action.openSettings", SETTING);
}

async function stop() {
  const old = client;
  client = undefined;
  // A client that never came up has nothing to stop, and says so by an error.
  if (old) await old.stop().catch(() => {});
}

// One change after another: two clients at once would report every problem twice.
let last = Promise.resolve();
function restart() {
  last = last.then(stop).then(start);
  return last;
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("redraft.restart", restart),
    vscode.workspace.onDidChangeConfiguration((event) =>
      event.affectsConfiguration(SETTING) ? restart() : undefined,
    ),
  );
  last = start();
  await last;
}

function deactivate() {
  return last.then(stop);
}

module.exports = { activate, deactivate };
