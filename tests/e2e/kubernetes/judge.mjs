// judge.mjs FILE...: holds the documents of manifests against what Kubernetes and the Gateway API know. Prints a line of
// JSON for each: the documents, and what is wrong with them. Values are judged by the validators of kubernetes-models, which pass over
// names that they do not know; so TypeScript judges the names, by the same packages' types.
import { readFileSync } from "node:fs";
import { Linter } from "./linter.mjs";
import { parseAllDocuments } from "yaml";

async function judge(file) {
  const faults = [];
  const documents = parseAllDocuments(readFileSync(file, "utf8")).map((document) => {
    faults.push(...document.errors.map(String));
    return document.toJS();
  });
  const linter = new Linter();
  for (const document of documents) {
    const { apiVersion, kind } = document;
    const home = apiVersion.startsWith("gateway.networking.k8s.io/") ? "@kubernetes-models/gateway-api" : "kubernetes-models";
    const path = `${home}/${apiVersion}/${kind}`;
    const model = (await import(path))[kind];
    try {
      new model(document).validate();
    } catch (error) {
      faults.push(...error.errors.filter((fault) => !isOfTheExperimentalChannel(document, fault))
        .map((fault) => `${kind}${fault.instancePath}: ${fault.message}`));
    }
    linter.add(path, `I${kind}`, document);
  }
  faults.push(...linter.faults());
  return { documents, faults };
}

// The validators know the standard channel, in which a filter is not of type ExternalAuth. All else of it they know.
function isOfTheExperimentalChannel(document, { instancePath, keyword }) {
  const at = instancePath.split("/").slice(1).reduce((value, name) => value?.[name], document);
  return keyword === "enum" && /\/filters\/\d+\/type$/.test(instancePath) && at === "ExternalAuth";
}

for (const file of process.argv.slice(2)) {
  console.log(JSON.stringify(await judge(file)));
}
