// Judges the names in objects by the types of TypeScript, which takes no name for a property that it does not know.
import ts from "typescript";

const NAME = "objects.ts";
const OPTIONS = {
  strict: true, noEmit: true, skipLibCheck: true, target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
};
const host = ts.createCompilerHost(OPTIONS);
const { fileExists, getSourceFile } = host;
const read = new Map(); // the packages' types, which are read once for all objects

export class Linter {
  #lines = [];

  add(path, type, object) {
    const name = `Type${this.#lines.length}`;
    this.#lines.push(`import type { ${type} as ${name} } from "${path}";`,
      `export const of${name}: ${name} = ${JSON.stringify(object)};`);
  }

  faults() {
    host.fileExists = (path) => path === NAME || fileExists(path);
    host.getSourceFile = (path, ...rest) => {
      if (path === NAME) {
        return ts.createSourceFile(path, this.#lines.join("\n"), OPTIONS.target, true);
      }
      read.has(path) || read.set(path, getSourceFile(path, ...rest));
      return read.get(path);
    };
    const found = ts.getPreEmitDiagnostics(ts.createProgram([NAME], OPTIONS, host));
    return found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "));
  }
}
