// Print what the FHIR R4 definitions of the package "fhir" object to in the resources of a bundle, one line each.
// ImagingSelection is a resource of R5, which IMR uses beside R4, so it is not in these definitions.
const { readFileSync } = require("node:fs");
const { Fhir } = require("fhir");

const bundle = JSON.parse(readFileSync(process.argv[2], "utf-8"));
bundle.entry = bundle.entry.filter(({ resource }) => resource.resourceType !== "ImagingSelection");
const { messages } = new Fhir().validate(bundle, { errorOnUnexpected: true });
for (const { severity, location, message } of messages) console.log(`${severity} ${location}: ${message}`);
