// Whether a driver runs long loops to their end: some leave them, and no API tells.

const STORAGE = 0x80 | 0x4 | 0x8; // STORAGE | COPY_SRC | COPY_DST
const READ = 0x1 | 0x8; // MAP_READ | COPY_DST

const KERNEL = `
@group(0) @binding(0) var<storage, read_write> state: array<u32>;
@compute @workgroup_size(1) fn turn() {
  var number = state[0];
  for (var i = 0u; i < state[1]; i += 1u) { number = number * 1664525u + 1013904223u; }
  state[0] = number;
}`;

/** Whether a loop of so many `turns` ends when it should. */
export async function endures(device, turns) {
  const module = device.createShaderModule({ label: 'turns', code: KERNEL });
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'turn' } });
  const state = device.createBuffer({ size: 8, usage: STORAGE });
  const staging = device.createBuffer({ size: 8, usage: READ });
  device.queue.writeBuffer(state, 0, Uint32Array.of(1, turns));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: state } }] }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(state, 0, staging, 0, 8);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const [found] = new Uint32Array(staging.getMappedRange());
  staging.destroy();
  state.destroy();
  let number = 1;
  for (let i = 0; i < turns; i += 1) number = (Math.imul(number, 1664525) + 1013904223) | 0;
  return found === number >>> 0;
}
