// Edited kernels end: every loop of theirs gets a counter, and leaves when it has turned too often.
//
// A GPU cannot be interrupted from a page. A loop without an end would hang until the driver gives up and takes the
// device away, at times the whole screen with it. So the text is changed before it is compiled: at the head of each
// loop's body stands `turns += 1; if turns > limit { break; }`. No line is added, so errors keep their lines.
//
// One counter, private to an invocation, counts for all loops together, so loops inside loops are bounded too. A loop
// around a barrier is the exception: WGSL wants it to turn equally often for all invocations of a workgroup, and can
// only see that of a counter of the function's own. Where a barrier depends on other loops too, all get their own.

/** No kernel of the project turns its loops more often in one invocation. */
export const TURNS = 65536;

/**
 * `{text, column(line, column)}`: the guarded text, and where a column of it was. `flag`: a statement to run on
 * stopping. `own`: a counter of its own for each loop.
 */
export function guard(source, { turns = TURNS, flag = '', own: each = false } = {}) {
  const code = blank(source);
  const functions = bodies(code);
  const together = withBarriers(functions, code);
  const inserts = [];
  let own = 0;
  for (const { from, to } of functions) {
    for (const loop of loops(code, from, to)) {
      const inside = code.slice(loop.at, loop.end);
      const name = each || together.some((pattern) => pattern.test(inside)) ? `parula_turns${(own += 1)}` : 'parula_turns';
      if (name !== 'parula_turns') {
        inserts.push([loop.at, `{ var ${name} = 0u; `], [loop.end, ' }']);
      }
      inserts.push([loop.open + 1, ` ${name} += 1u; if ${name} > ${turns}u { ${flag} break; }`]);
    }
  }
  // At one place, what closes an inner block stands before what opens another: the order of finding is that order.
  inserts.sort((a, b) => a[0] - b[0]);
  let text = '';
  let last = 0;
  for (const [at, added] of inserts) {
    text += source.slice(last, at) + added;
    last = at;
  }
  text += `${source.slice(last)}\nvar<private> parula_turns: u32;\n`;
  return { text, column: (line, column) => original(source, inserts, line, column) };
}

/** Guards and hands the text to `compile`, which gives {errors: [{line, column, message}], …}: its answer, in places of `source`. */
export async function compiled(source, options, compile) {
  let guarded = guard(source, options);
  let answer = await compile(guarded.text);
  if (answer.errors.some(({ message }) => message.includes('uniform'))) {
    guarded = guard(source, { ...options, own: true });
    const second = await compile(guarded.text);
    if (second.errors.length === 0) answer = second;
  }
  const last = source.split('\n').length;
  const errors = answer.errors.map((one) => ({ ...one, line: Math.max(1, Math.min(one.line, last)), column: guarded.column(one.line, one.column ?? 1) }));
  return { ...answer, errors };
}

/** Whether an entry point of `source` waits at barriers, by itself or in what it calls. */
export function waits(source, entry) {
  const code = blank(source);
  const functions = bodies(code);
  const own = functions.find(({ name }) => name === entry);
  return own !== undefined && withBarriers(functions, code).some((pattern) => pattern.test(code.slice(own.from, own.to)));
}

/** The text with comments as spaces, so that places stay. */
function blank(source) {
  let out = '';
  for (let i = 0; i < source.length;) {
    if (source.startsWith('//', i)) {
      const end = source.indexOf('\n', i);
      const stop = end < 0 ? source.length : end;
      out += ' '.repeat(stop - i);
      i = stop;
    } else if (source.startsWith('/*', i)) {
      let depth = 0;
      const start = i;
      do {
        if (source.startsWith('/*', i)) depth += 1;
        if (source.startsWith('*/', i)) depth -= 1;
        i += source.startsWith('/*', i) || source.startsWith('*/', i) ? 2 : 1;
      } while (depth > 0 && i < source.length);
      out += source.slice(start, i).replace(/[^\n]/g, ' ');
    } else {
      out += source[i];
      i += 1;
    }
  }
  return out;
}

/** Where the bracket at `at` is closed, or the end of the text. */
function closing(code, at) {
  const [open, close] = { '{': '{}', '(': '()' }[code[at]] ?? '{}';
  let depth = 0;
  for (let i = at; i < code.length; i += 1) {
    if (code[i] === open) depth += 1;
    if (code[i] === close && (depth -= 1) === 0) return i;
  }
  return code.length;
}

function bodies(code) {
  const found = [];
  for (const match of code.matchAll(/\bfn\s+(\w+)/g)) {
    const from = code.indexOf('{', match.index);
    if (from >= 0) found.push({ name: match[1], from, to: closing(code, from) });
  }
  return found;
}

/** Patterns of calls that need a whole workgroup, also through functions of the text. */
function withBarriers(functions, code) {
  const patterns = [/\b(workgroupBarrier|storageBarrier|textureBarrier|workgroupUniformLoad|subgroup\w*|quad[A-Z]\w*)\s*\(/];
  const named = new Set();
  for (let found = true; found;) {
    found = false;
    for (const { name, from, to } of functions) {
      if (!named.has(name) && patterns.some((pattern) => pattern.test(code.slice(from, to)))) {
        named.add(name);
        patterns.push(new RegExp(`\\b${name}\\s*\\(`));
        found = true;
      }
    }
  }
  return patterns;
}

function* loops(code, from, to) {
  const keyword = /\b(for|while|loop)\b/g;
  keyword.lastIndex = from;
  for (let match; (match = keyword.exec(code)) && match.index < to;) {
    let at = match.index + match[0].length;
    if (match[1] === 'for') at = closing(code, code.indexOf('(', at));
    const open = code.indexOf('{', at);
    if (open < 0 || open > to) return;
    yield { at: match.index, open, end: closing(code, open) + 1 };
  }
}

function original(source, inserts, line, column) {
  const starts = source.split('\n').slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  let added = 0;
  for (const [at, text] of inserts) if (at >= starts && at - starts + added < column) added += text.length;
  return Math.max(1, column - added);
}
