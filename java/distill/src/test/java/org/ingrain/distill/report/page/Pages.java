package org.ingrain.distill.report.page;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import org.ingrain.files.Json;
import tools.jackson.databind.JsonNode;

/** Reads the data that is embedded in a page, as the page's script does. */
public final class Pages {
    private static final Pattern PACK = Pattern.compile(
            "<script type=\"application/gzip\" id=\"([a-z0-9-]+)\">([^<]*)</script>");

    private Pages() {
    }

    /** Returns the lines of JSON of each script element; the key is the id of the element. */
    public static Map<String, List<JsonNode>> packs(String page) {
        Map<String, List<JsonNode>> packs = new LinkedHashMap<>();
        Matcher matcher = PACK.matcher(page);
        while (matcher.find()) {
            packs.put(matcher.group(1), lines(matcher.group(2)));
        }
        return packs;
    }

    /** Returns the texts of item {@code number} of a list; null if the page contains the item without its texts. */
    public static JsonNode texts(Map<String, List<JsonNode>> packs, String name, int number) {
        JsonNode item = packs.get(name + "-index").get(number);
        return item.has("piece") ? packs.get(name + "-" + item.path("piece").asInt()).stream()
                .filter(line -> line.path("n").asInt() == number)
                .findFirst().orElseThrow().path("texts") : null;
    }

    private static List<JsonNode> lines(String base64) {
        try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(Base64.getDecoder().decode(base64)))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().map(line -> Json.parse(line, "page"))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
