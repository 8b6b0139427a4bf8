// Stands in for the kernel's model where there is no kernel.

function hold(state) {
  const calls = {};
  const view = ({ base64 }) => new DataView(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);
  for (const [key, value] of Object.entries(state))
    if (value?.base64 !== undefined) state[key] = view(value);
  return {
    get: (key) => state[key],
    set(key, value) {
      state[key] = value;
      for (const call of calls[`change:${key}`] ?? []) call();
    },
    save_changes() {},
    on(name, call) { (calls[name] ??= []).push(call); },
    off(name, call) { calls[name] = (calls[name] ?? []).filter((other) => other !== call); },
  };
}
