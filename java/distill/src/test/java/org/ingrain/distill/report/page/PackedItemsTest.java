package org.ingrain.distill.report.page;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

class PackedItemsTest {
    private record Item(String name, Integer piece) {
    }

    @Test
    void whatDoesNotFitIsLeftOutFromTheEnd() {
        PackedItems<Item> packs = fill(600, 400_000);
        assertEquals(600, packs.items());
        assertEquals(600, packs.listed());
        assertTrue(packs.opened() > 50 && packs.opened() < 400, () -> packs.opened() + " opened");
        String page = packs.end("x").toString();
        assertTrue(page.length() < 1_000_000, () -> page.length() + " characters");
        Map<String, List<JsonNode>> read = Pages.packs(page);
        assertEquals(600, read.get("x-index").size());
        for (int i = 0; i < packs.opened(); i++) {
            assertEquals("item " + i, read.get("x-index").get(i).path("name").asString());
            assertEquals(i, Pages.texts(read, "x", i).path(0).asInt());
        }
        assertNull(Pages.texts(read, "x", packs.opened()));
    }

    @Test
    void theIndexIsBoundedToo() {
        PackedItems<Item> packs = fill(20_000, 4_000);
        assertEquals(20_000, packs.items());
        assertTrue(packs.listed() > 100 && packs.listed() < 19_000, () -> packs.listed() + " listed");
        assertEquals(packs.listed(), Pages.packs(packs.end("x").toString()).get("x-index").size());
    }

    @Test
    void nothingIsAlsoSomethingToRead() {
        assertEquals(List.of(), Pages.packs(new PackedItems<Item>(1000).end("x").toString()).get("x-index"));
    }

    /** Adds items. If {@code room} is more than 100 000, each item has random letters, which do not compress well. */
    private static PackedItems<Item> fill(int items, int room) {
        PackedItems<Item> packs = new PackedItems<>(room);
        Random random = new Random(1);
        for (int i = 0; i < items; i++) {
            String name = "item " + i;
            StringBuilder noise = new StringBuilder();
            for (int k = 0; k < 4000 && room > 100_000; k++) {
                noise.append((char) ('a' + random.nextInt(26)));
            }
            packs.add(piece -> new Item(name, piece), List.of(i, noise.toString()));
        }
        return packs;
    }
}
