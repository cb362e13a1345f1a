// The `openai` and `ollama` packages of npm against a running server: node clients.mjs URL MODEL
// Exits 1 at the first thing that is not as OpenAI's or Ollama's API reference says.
import assert from "node:assert/strict";
import { Ollama } from "ollama";
import OpenAI from "openai";

const [url, model] = process.argv.slice(2);
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const ollama = new Ollama({ host: url });
const messages = [{ role: "user", content: "Once upon a time" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "weather", description: "d", parameters } }];

const steps = {
  async "openai lists the model"() {
    const ids = [];
    for await (const found of openai.models.list()) ids.push(found.id);
    assert.deepEqual(ids, [model]);
  },

  async "openai streams a chat"() {
    const how = { model, messages, seed: 7, max_tokens: 12 };
    const whole = await openai.chat.completions.create(how);
    let text = "";
    let finish;
    for await (const chunk of await openai.chat.completions.create({ ...how, stream: true })) {
      text += chunk.choices[0]?.delta?.content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(finish, "length");
  },

  async "openai takes tools and their results"() {
    const call = { id: "call00001", type: "function", function: { name: "weather", arguments: "{\"city\":\"Rome\"}" } };
    const answer = await openai.chat.completions.create({
      model,
      tools,
      max_tokens: 8,
      messages: [...messages, { role: "assistant", content: null, tool_calls: [call] },
        { role: "tool", tool_call_id: call.id, content: "11 degrees" }],
    });
    assert.equal(answer.choices[0].message.role, "assistant");
  },

  async "openai streams a response"() {
    const how = { model, input: "Once upon a time", max_output_tokens: 16, seed: 7 };
    const whole = await openai.responses.create(how);
    let text = "";
    let final;
    for await (const event of await openai.responses.create({ ...how, stream: true })) {
      if (event.type === "response.output_text.delta") text += event.delta;
      final = event.response ?? final;
    }
    assert.equal(text, whole.output_text);
    assert.equal(final.status, "incomplete");
  },

  async "openai gets embeddings or is told why not"() {
    try {
      const { data } = await openai.embeddings.create({ model, input: ["a", "b"] });
      assert.equal(data.length, 2);
    } catch (error) {
      assert.equal(error.status, 400);
    }
  },

  async "ollama lists and shows the model"() {
    const { models } = await ollama.list();
    assert.deepEqual(models.map((found) => found.model), [model]);
    assert.equal((await ollama.show({ model })).details.format, "gguf");
  },

  async "ollama streams a chat"() {
    const how = { model, messages, options: { seed: 7, num_predict: 12 } };
    const whole = await ollama.chat(how);
    let text = "";
    let last;
    for await (const part of await ollama.chat({ ...how, stream: true })) {
      text += part.message.content;
      last = part;
    }
    assert.equal(text, whole.message.content);
    assert.equal(last.done_reason, "length");
    assert.equal(last.eval_count, 12);
  },

  async "ollama takes tools and their results"() {
    const call = { function: { name: "weather", arguments: { city: "Rome" } } };
    const answer = await ollama.chat({
      model,
      tools,
      options: { num_predict: 8 },
      messages: [...messages, { role: "assistant", content: "", tool_calls: [call] },
        { role: "tool", tool_name: "weather", content: "11 degrees" }],
    });
    assert.equal(answer.message.role, "assistant");
  },

  async "ollama gets embeddings or is told why not"() {
    try {
      const { embeddings } = await ollama.embed({ model, input: ["a", "b"] });
      assert.equal(embeddings.length, 2);
    } catch (error) {
      assert.equal(error.status_code, 400);
    }
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log(`ok: ${name}`);
}
