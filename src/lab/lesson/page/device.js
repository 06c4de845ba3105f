// Opens a GPU through WebGPU, or says in one sentence why there is none.

/** An error that a page can show as it is. `kind`: 'none', 'lost', 'limits', 'memory', 'kernel'. */
export function problem(kind, message) {
  return Object.assign(new Error(message), { kind });
}

/**
 * `{device, adapter: text, software: bool, timestamps: bool, lost: Promise<{reason, message}>}`. `software`: the browser computes on the
 * processor and calls it an adapter.
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
    throw problem('none', `WebGPU is there, and looking for a GPU failed: ${sentence(error.message, 'the browser does not say why.')}`);
  }
  if (!adapter) throw problem('none', 'WebGPU is there, but it found no GPU that it may use.');
  const small = Object.entries(needs).find(([name, value]) => adapter.limits[name] !== undefined && adapter.limits[name] < value);
  if (small) throw problem('limits', `This network needs a ${small[0]} of ${small[1]}; this adapter allows ${adapter.limits[small[0]]}.`);
  const features = WANTED.filter((name) => adapter.features.has(name));
  let device;
  try {
    device = await adapter.requestDevice({
      requiredFeatures: features,
      requiredLimits: needs,
    });
  } catch (error) {
    throw problem('none', `A GPU was found and could not be opened: ${sentence(error.message, 'the browser does not say why.')}`);
  }
  const lost = device.lost.then(({ reason, message }) => ({ reason, message: sentence(message, 'The browser took the GPU away.') }));
  const found = describe(adapter);
  if (found.software) onProcessors.add(device);
  return { device, ...found, timestamps: features.includes('timestamp-query'), lost };
}

/** Devices that are the processor. */
const onProcessors = new WeakSet();

/** Whether a device is the processor by another name: other kernels are fast there. */
export const isProcessor = (device) => onProcessors.has(device);

/** Optional features that are used where they are: to time kernels, and by some rungs of their ladders. */
const WANTED = ['timestamp-query', 'subgroups'];

/** Names of adapters that are programs. */
const SOFTWARE = { swiftshader: 'SwiftShader', llvmpipe: 'llvmpipe', lavapipe: 'lavapipe', warp: 'WARP', 'basic render': 'Microsoft Basic Render Driver' };

function describe(adapter) {
  const info = adapter.info ?? {};
  const { vendor, architecture, device, description } = info;
  const words = [description, [vendor, architecture, device].filter(Boolean).join(' ')].filter(Boolean);
  const name = [...new Set(words)].join(', ');
  const known = Object.entries(SOFTWARE).find(([word]) => name.toLowerCase().includes(word));
  const software = Boolean(known) || (info.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false);
  if (known) return { adapter: `${known[1]}, software`, software };
  if (software) return { adapter: name ? `${name}, software` : 'software that the browser does not name', software };
  return { adapter: name || 'a GPU that the browser does not name', software };
}

/** The first line of a message as a sentence. */
export function sentence(text, otherwise) {
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
  if (memory) throw problem('memory', `${doing}: the GPU has not enough memory. Close other tabs and programs that use it, and try again.`);
  if (thrown) throw thrown;
  const error = validation ?? internal;
  if (error) throw problem('kernel', `${doing}: ${sentence(error.message, 'the browser refused it.')}`);
  return result;
}
