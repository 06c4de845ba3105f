// Opens a GPU through WebGPU, or says in one sentence why there is none.

/** An error that a page can show as it is. `kind`: 'none', 'lost', 'limits', 'memory', 'kernel'. */
export function problem(kind, message) {
  return Object.assign(new Error(message), { kind });
}

/**
 * `{device, adapter: text, timestamps: bool, lost: Promise<{reason, message}>}`.
 * `needs`: what the plans ask for, under WebGPU's names. Throws one sentence where there is no such device.
 */
export async function openDevice(needs = {}) {
  if (!globalThis.navigator?.gpu) {
    throw problem('none', globalThis.isSecureContext === false
      ? 'This page was opened from an address that browsers give no WebGPU to: open it from the disk or over https.'
      : 'This browser has no WebGPU, or it is turned off.');
  }
  let adapter;
  try {
    adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  } catch (error) {
    throw problem('none', `WebGPU is there, and looking for a GPU failed: ${error.message}`);
  }
  if (!adapter) throw problem('none', 'WebGPU is there, but it found no GPU that it may use.');
  const small = Object.entries(needs).find(([name, value]) => adapter.limits[name] !== undefined && adapter.limits[name] < value);
  if (small) throw problem('limits', `This network needs a ${small[0]} of ${small[1]}; this GPU allows ${adapter.limits[small[0]]}.`);
  const timestamps = adapter.features.has('timestamp-query');
  let device;
  try {
    device = await adapter.requestDevice({
      requiredFeatures: timestamps ? ['timestamp-query'] : [],
      requiredLimits: needs,
    });
  } catch (error) {
    throw problem('none', `A GPU was found and could not be opened: ${error.message}`);
  }
  const lost = device.lost.then(({ reason, message }) => ({ reason, message: sentence(message, 'The browser took the GPU away.') }));
  return { device, adapter: describe(adapter.info), timestamps, lost };
}

function describe(info = {}) {
  const { vendor, architecture, device, description } = info;
  const words = [description, [vendor, architecture, device].filter(Boolean).join(' ')].filter(Boolean);
  return words[0] ? [...new Set(words)].join(', ') : 'a GPU that the browser does not name';
}

function sentence(text, otherwise) {
  const first = (text ?? '').split('\n')[0].trim();
  if (!first) return otherwise;
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** Runs `work` and turns what the device reports meanwhile into an error. */
export async function watched(device, doing, work) {
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  device.pushErrorScope('internal');
  let result;
  let thrown = null;
  try {
    result = await work();
  } catch (error) {
    thrown = error;
  }
  const scopes = await Promise.all([device.popErrorScope(), device.popErrorScope(), device.popErrorScope()].map((scope) => scope.catch(() => null)));
  const [internal, validation, memory] = scopes;
  if (memory) throw problem('memory', `${doing}: the GPU has not enough memory.`);
  if (thrown) throw thrown;
  const error = validation ?? internal;
  if (error) throw problem('kernel', `${doing}: ${sentence(error.message, 'the browser refused it.')}`);
  return result;
}
