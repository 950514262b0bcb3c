// Builds ../codemirror.js and ../preact.js, and ../LICENCES.txt beside them:
//   cd runtime/redraft/studio/page/vendor/source && npm install && npm run build
import { build } from "esbuild";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const common = { bundle: true, format: "esm", minify: true, target: "es2022", legalComments: "none", metafile: true };
const used = new Set();
for (const name of ["codemirror", "preact"]) {
  const made = await build({ ...common, entryPoints: [`${name}.js`], outfile: `../${name}.js` });
  for (const file of Object.keys(made.metafile.inputs)) {
    const found = file.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (found) used.add(found[1]);
  }
}
const parts = [...used].sort().map((name) => {
  const folder = join("node_modules", name);
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((each) => /^licen[sc]e/i.test(each));
  const text = file && existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8").trim() : `Licence: ${about.license}`;
  return `${name} ${about.version} (${about.license})\n\n${text}\n`;
});
writeFileSync("../LICENCES.txt", parts.join(`\n${"-".repeat(80)}\n\n`));
