// Plain JavaScript that any Node since 14 can run: older ones cannot even load the .ts files, and would say so obscurely.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < 24 || (major === 24 && minor < 12)) {
  console.error(
    `SmartFinance needs Node 24.12 or newer; this is ${process.versions.node}. ` +
      "On Linux run `npm ci` and then `npm start`: it brings its own Node 24. Elsewhere install Node 24 first.",
  );
  process.exit(1);
}
