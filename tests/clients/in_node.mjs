// Make visits in Node, one after the other; the jobs come on the command line, what was seen goes out, as JSON.
import { visit } from "./visit.mjs";

const seen = [];
for (const job of JSON.parse(process.argv[2])) seen.push(await visit(job));
console.log(JSON.stringify(seen));
