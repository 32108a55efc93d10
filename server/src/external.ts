// `import … from "holdfast/external"` is the SDK's, wherever it is installed.
export * from "@holdfast/sdk/external";
