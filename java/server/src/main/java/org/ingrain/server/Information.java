package org.ingrain.server;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.engine.Fingerprint;
import org.ingrain.server.api.ApiException;
import org.ingrain.server.api.ChatRequest.Chat;
import org.ingrain.server.api.Fields;
import org.ingrain.server.api.SamplingFields;
import org.ingrain.server.generate.Models;
import org.ingrain.server.generate.Models.Model;
import org.ingrain.server.generate.Prompts;
import org.ingrain.server.http.Exchange;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The endpoints that generate no text: models, adapters, token ids, version. */
final class Information {
    static final String MODELS = "/v1/models/";
    private static final int MAX_NAME = 256;

    private final Models models;
    private final Prompts prompts;

    Information(Models models, Prompts prompts) {
        this.models = models;
        this.prompts = prompts;
    }

    void version(Exchange exchange) {
        exchange.json(JsonMapper.shared().createObjectNode().put("version", Fingerprint.version()));
    }

    void models(Exchange exchange) {
        ObjectNode list = JsonMapper.shared().createObjectNode().put("object", "list");
        ArrayNode data = list.putArray("data");
        models.all().forEach(model -> data.add(json(model)));
        exchange.json(list);
    }

    void model(Exchange exchange) {
        exchange.json(json(models.require(exchange.pathAfter(MODELS))));
    }

    private ObjectNode json(Model model) {
        return JsonMapper.shared().createObjectNode().put("id", model.name()).put("object", "model")
                .put("created", model.created()).put("owned_by", "ingrain").put("root", model.folder().toString())
                .put("parent", model.adapter() ? models.base().name() : null)
                .put("max_model_len", prompts.contextLength());
    }

    void tokenize(Exchange exchange) {
        Fields fields = exchange.fields();
        models.require(SamplingFields.model(fields));
        boolean strings = fields.flag("return_token_strs", false);
        int[] ids;
        if (fields.has("messages")) {
            Chat chat = Chat.read(fields);
            fields.unsupported("add_special_tokens", node -> node.isBoolean() && !node.booleanValue(), "false");
            fields.finish();
            ids = prompts.encode(chat);
        } else {
            String prompt = fields.text("prompt");
            boolean addSpecial = fields.flag("add_special_tokens", true);
            fields.finish();
            ids = prompts.encode(prompt, addSpecial);
        }
        ObjectNode answer = JsonMapper.shared().createObjectNode().put("count", ids.length)
                .put("max_model_len", prompts.contextLength());
        ArrayNode tokens = answer.putArray("tokens");
        for (int id : ids) {
            tokens.add(id);
        }
        answer.putNull("token_strs");
        if (strings) {
            ArrayNode texts = answer.putArray("token_strs");
            for (int id : ids) {
                texts.add(prompts.tokenText(id));
            }
        }
        exchange.json(answer);
    }

    void detokenize(Exchange exchange) {
        Fields fields = exchange.fields();
        models.require(SamplingFields.model(fields));
        List<Integer> tokens = fields.integers("tokens");
        if (!fields.has("tokens")) {
            throw fields.unexpected("tokens", "a list of token ids");
        }
        fields.finish();
        String text = prompts.decodeAll(tokens.stream().mapToInt(Integer::intValue).toArray());
        exchange.json(JsonMapper.shared().createObjectNode().put("prompt", text));
    }

    void loadAdapter(Exchange exchange) {
        Fields fields = exchange.fields();
        String name = name(fields);
        String path = fields.text("lora_path");
        if (path.isEmpty() || path.indexOf('\0') >= 0) {
            throw fields.unexpected("lora_path", "a folder");
        }
        fields.unsupported("load_inplace", node -> node.isBoolean() && !node.booleanValue(), "false");
        fields.finish();
        models.load(name, Path.of(path));
        say(exchange, "Success: LoRA adapter '" + name + "' added successfully.");
    }

    void unloadAdapter(Exchange exchange) {
        Fields fields = exchange.fields();
        String name = name(fields);
        fields.unsupported("lora_int_id", node -> node.isIntegralNumber(), "an integer, which is ignored");
        fields.finish();
        models.unload(name);
        say(exchange, "Success: LoRA adapter '" + name + "' removed successfully.");
    }

    private static String name(Fields fields) {
        String name = fields.text("lora_name");
        if (name.isEmpty() || name.length() > MAX_NAME || name.chars().anyMatch(Character::isISOControl)) {
            throw ApiException.invalid("lora_name", "lora_name: " + name.length()
                    + " characters, expected 1 to " + MAX_NAME + " and no control characters");
        }
        return name;
    }

    private static void say(Exchange exchange, String text) {
        exchange.send(200, "text/plain; charset=utf-8", text.getBytes(StandardCharsets.UTF_8));
    }
}
