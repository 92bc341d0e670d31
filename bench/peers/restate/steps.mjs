// A handler of three durable steps and nothing else, as Ostler's is (crates/mcp/examples/steps.rs).
import * as restate from "@restatedev/restate-sdk";

const steps = restate.service({
  name: "steps",
  handlers: {
    three: async (ctx) => {
      const one = await ctx.run("one", () => 1);
      const two = await ctx.run("two", () => one + 1);
      const three = await ctx.run("three", () => two + 1);
      return `${one} ${two} ${three}`;
    },
  },
});

restate.serve({ services: [steps], port: Number(process.argv[2]) });
