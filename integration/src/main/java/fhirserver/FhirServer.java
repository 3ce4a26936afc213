package fhirserver;

import ca.uhn.fhir.rest.server.RestfulServer;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/**
 * Serves HAPI FHIR at /fhir on loopback until standard input ends or SIGTERM comes: whoever started
 * it holds the other end, so that it never outlives them. Arguments: port, folder of the database.
 */
public final class FhirServer {

    private FhirServer() {}

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        Path databaseFolder = Path.of(arguments[1]);

        AnnotationConfigApplicationContext beans = new AnnotationConfigApplicationContext();
        beans.registerBean("databaseFolder", Path.class, () -> databaseFolder);
        beans.register(ServerConfig.class);
        beans.refresh();

        ServletContextHandler handler = new ServletContextHandler();
        ServletHolder fhir = new ServletHolder(beans.getBean(RestfulServer.class));
        fhir.setInitOrder(1);
        handler.addServlet(fhir, "/fhir/*");
        Server jetty = new Server(new InetSocketAddress("127.0.0.1", port));
        jetty.setHandler(handler);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(jetty, beans)));
        jetty.start();
        while (System.in.read() != -1) {
            // Nothing is said to us but the end.
        }
        System.exit(0);
    }

    /** Ends what is being answered before the database closes. */
    private static void stop(Server jetty, AnnotationConfigApplicationContext beans) {
        try {
            jetty.stop();
        } catch (Exception failure) {
            failure.printStackTrace();
        } finally {
            beans.close();
        }
    }
}
