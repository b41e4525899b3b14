package org.ingrain.djl;

import java.io.IOException;
import java.net.Proxy;
import java.net.URL;
import java.net.URLConnection;
import java.net.URLStreamHandler;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Runs a program for {@link ReadmeTest}. Every HTTP connection fails. Prints the requested URLs at the end. */
final class RecordsConnections {
    private RecordsConnections() {
    }

    /** @param arguments name of the program's class, which has a method {@code void main()} */
    public static void main(String[] arguments) throws Exception {
        List<URL> urls = new CopyOnWriteArrayList<>();
        URL.setURLStreamHandlerFactory(protocol -> !protocol.startsWith("http") ? null : new URLStreamHandler() {
            @Override
            protected URLConnection openConnection(URL url) throws IOException {
                urls.add(url);
                throw new IOException("no connections");
            }

            @Override
            protected URLConnection openConnection(URL url, Proxy proxy) throws IOException {
                return openConnection(url);
            }
        });
        var constructor = Class.forName(arguments[0]).getDeclaredConstructor();
        constructor.setAccessible(true);
        Object program = constructor.newInstance();
        var main = program.getClass().getDeclaredMethod("main");
        main.setAccessible(true);
        main.invoke(program);
        IO.println();
        IO.println("connections: " + urls);
    }
}
