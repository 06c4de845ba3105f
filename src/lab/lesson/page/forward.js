// The forward pass of a network in plain JavaScript, layer by layer: what the kernels compute, as short as it can be.
//
// Without WebGPU it makes the feature maps of any picture. With it, it is something to compare a kernel with.
// A tensor is {data: Float32Array, shape: [h, w, c] or [c]}; the channels of a pixel lie side by side.

/** All layers of `data.network` for an input, as a Map of name to tensor. `weightOf(name)` gives {data, shape}. */
export async function forward(data, weightOf, input) {
  const { layers, input: shape } = data.network;
  const tensors = new Map();
  let rested = performance.now();
  for (const layer of layers) {
    const sources = layer.inputs.map((name) => tensors.get(name));
    const run = OPERATIONS[layer.details?.kind];
    if (sources.length === 0) tensors.set(layer.name, { data: input, shape });
    else if (run && sources.every(Boolean)) {
      const made = run(sources, layer.details, weightOf, layer.shape);
      if (made) tensors.set(layer.name, made);
    }
    if (performance.now() - rested > 40) {
      // The page answers meanwhile.
      await new Promise((resume) => setTimeout(resume));
      rested = performance.now();
    }
  }
  return tensors;
}

const OPERATIONS = {
  conv2d: ([x], details, weightOf, shape) => convolution(x, details, weightOf, shape),
  depthwise_conv2d: ([x], details, weightOf, shape) => depthwise(x, details, weightOf, shape),
  dense: ([x], details, weightOf, shape) => dense(x, details, weightOf, shape),
  batch_norm: ([x], details, weightOf, shape) => batchNorm(x, details, weightOf, shape),
  elementwise: (sources, details, _, shape) => elementwise(sources, details, shape),
  max_pool: ([x], details, _, shape) => pool(x, details, shape, true),
  average_pool: ([x], details, _, shape) => pool(x, details, shape, false),
  global_average_pool: ([x], _, __, shape) => average(x, shape),
};

// y[i, j, o] = bias[o] + sum over a, b, c of x[i s + a - top, j s + b - left, c] * w[a, b, c, o]; with groups, a share of
// the outputs sees a share of the channels.
function convolution({ data: x, shape: [H, W, all] }, { kernel: [kh, kw], stride, dilation = [1, 1], pad, weights, bias, groups = 1 }, weightOf, shape) {
  const [height, width, O] = shape;
  const [C, own] = [all / groups, O / groups];
  const w = weightOf(weights).data;
  const b = bias ? weightOf(bias).data : null;
  const y = new Float32Array(height * width * O);
  const sums = new Float64Array(O);
  for (let i = 0; i < height; i += 1) {
    for (let j = 0; j < width; j += 1) {
      sums.fill(0);
      if (b) sums.set(b);
      for (let a = 0; a < kh; a += 1) {
        const row = i * stride[0] + a * dilation[0] - pad[0];
        if (row < 0 || row >= H) continue;
        for (let d = 0; d < kw; d += 1) {
          const column = j * stride[1] + d * dilation[1] - pad[1];
          if (column < 0 || column >= W) continue;
          const from = (row * W + column) * all;
          for (let c = 0; c < all; c += 1) {
            const value = x[from + c];
            if (value === 0) continue;
            const at = ((a * kw + d) * C + (c % C)) * O;
            const first = Math.floor(c / C) * own;
            for (let o = first; o < first + own; o += 1) sums[o] += value * w[at + o];
          }
        }
      }
      y.set(sums, (i * width + j) * O);
    }
  }
  return { data: y, shape };
}

// The same with a filter of its own for each channel.
function depthwise({ data: x, shape: [H, W, C] }, { kernel: [kh, kw], stride, dilation = [1, 1], pad, weights, bias }, weightOf, shape) {
  const [height, width] = shape;
  const w = weightOf(weights).data;
  const b = bias ? weightOf(bias).data : null;
  const y = new Float32Array(height * width * C);
  for (let i = 0; i < height; i += 1) {
    for (let j = 0; j < width; j += 1) {
      const to = (i * width + j) * C;
      for (let c = 0; c < C; c += 1) y[to + c] = b ? b[c] : 0;
      for (let a = 0; a < kh; a += 1) {
        const row = i * stride[0] + a * dilation[0] - pad[0];
        if (row < 0 || row >= H) continue;
        for (let d = 0; d < kw; d += 1) {
          const column = j * stride[1] + d * dilation[1] - pad[1];
          if (column < 0 || column >= W) continue;
          const from = (row * W + column) * C;
          const at = (a * kw + d) * C;
          for (let c = 0; c < C; c += 1) y[to + c] += x[from + c] * w[at + c];
        }
      }
    }
  }
  return { data: y, shape };
}

function dense({ data: x }, { weights, bias }, weightOf, shape) {
  const O = shape.at(-1);
  const w = weightOf(weights).data;
  const y = new Float32Array(O);
  for (let o = 0; o < O; o += 1) {
    let sum = bias ? weightOf(bias).data[o] : 0;
    for (let i = 0; i < x.length; i += 1) sum += x[i] * w[i * O + o];
    y[o] = sum;
  }
  return { data: y, shape };
}

/** Batch normalisation when it has learned: y = scale * x + shift, one of each a channel. */
export function folded({ gamma, beta, mean, variance, epsilon }, weightOf, k) {
  const of = (name, otherwise) => (name ? weightOf(name).data[k] : otherwise);
  const scale = of(gamma, 1) / Math.sqrt(of(variance, 1) + epsilon);
  return { scale, shift: of(beta, 0) - of(mean, 0) * scale };
}

function batchNorm({ data: x }, details, weightOf, shape) {
  const C = shape.at(-1);
  const laws = Array.from({ length: C }, (_, k) => folded(details, weightOf, k));
  const y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i += 1) y[i] = x[i] * laws[i % C].scale + laws[i % C].shift;
  return { data: y, shape };
}

/** One step of a chain of operations on single numbers: a name, {scale} or {offset}; null where it is unknown. */
export function pointwise(step) {
  if (step.scale !== undefined) return (value) => value * step.scale;
  if (step.offset !== undefined) return (value) => value + step.offset;
  return POINTWISE[step] ?? null;
}

const POINTWISE = {
  relu: (value) => Math.max(0, value),
  relu6: (value) => Math.min(6, Math.max(0, value)),
  add: (value, other) => value + other,
  subtract: (value, other) => value - other,
  multiply: (value, other) => value * other,
  maximum: (value, other) => Math.max(value, other),
  minimum: (value, other) => Math.min(value, other),
};

function elementwise(sources, { chain }, shape) {
  const y = Float32Array.from(sources[0].data);
  let next = 1;
  for (const name of chain) {
    const step = pointwise(name);
    const other = step?.length === 2 ? sources[next++]?.data : null;
    if (!step || (step.length === 2 && !other)) return null;
    for (let i = 0; i < y.length; i += 1) y[i] = step(y[i], other?.[i]);
  }
  return { data: y, shape };
}

function pool({ data: x, shape: [H, W, C] }, { kernel: [kh, kw], stride, pad }, shape, largest) {
  const [height, width] = shape;
  const y = new Float32Array(height * width * C);
  for (let i = 0; i < height; i += 1) {
    for (let j = 0; j < width; j += 1) {
      for (let c = 0; c < C; c += 1) {
        let [most, sum, count] = [-Infinity, 0, 0];
        for (let row = Math.max(0, i * stride[0] - pad[0]); row < Math.min(H, i * stride[0] - pad[0] + kh); row += 1) {
          for (let column = Math.max(0, j * stride[1] - pad[1]); column < Math.min(W, j * stride[1] - pad[1] + kw); column += 1) {
            const value = x[(row * W + column) * C + c];
            most = Math.max(most, value);
            sum += value;
            count += 1;
          }
        }
        y[(i * width + j) * C + c] = largest ? most : sum / count;
      }
    }
  }
  return { data: y, shape };
}

function average({ data: x, shape: [H, W, C] }, shape) {
  const sums = new Float64Array(C);
  for (let i = 0; i < x.length; i += 1) sums[i % C] += x[i];
  return { data: Float32Array.from(sums, (sum) => sum / (H * W)), shape };
}
