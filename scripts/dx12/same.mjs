// Whether two files have the same numbers, as far as TOLERANCE goes, of which larger ones take more: same.mjs TOLERANCE A B.
// A .npy of 32-bit floats, or text with numbers anywhere in it, of which times are left out. Prints the largest difference.
import { readFileSync } from 'node:fs';

const [tolerance, ...files] = process.argv.slice(2);

function numbers(file) {
    const bytes = readFileSync(file);
    if (file.endsWith('.npy')) {
        const start = 10 + bytes.readUInt16LE(8);
        return Array.from({ length: (bytes.length - start) / 4 }, (_, i) => bytes.readFloatLE(start + 4 * i));
    }
    const text = bytes.toString().replace(/\d+ m?s\b/g, '');
    return (text.match(/-?\d+\.\d+(e-?\d+)?/g) ?? []).map(Number);
}

const [a, b] = files.map(numbers);
const apart = (x, y) => Math.abs(x - y) / Math.max(1, Math.abs(x));
const most = a.reduce((most, x, i) => Math.max(most, apart(x, b[i])), 0);
console.log(`${files[1]}: ${a.length} numbers, ${most.toExponential(1)} apart`);
process.exit(a.length > 0 && a.length === b.length && most <= Number(tolerance) ? 0 : 1);
