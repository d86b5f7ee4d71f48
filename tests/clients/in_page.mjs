// Let a test make visits from the page that this is bundled into.
import { visit } from "./visit.mjs";

globalThis.visit = visit;
